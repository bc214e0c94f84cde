"""Public samples of bounces, those of flufl.bounce, as JSON: name, content in base64, and the addresses that it finds."""
import base64
import json
import os

import flufl.bounce.tests.data as data
from email import message_from_bytes
from flufl.bounce import all_failures

folder = os.path.dirname(data.__file__)
samples = []
for name in sorted(os.listdir(folder)):
    if not name.endswith('.txt'):
        continue
    with open(os.path.join(folder, name), 'rb') as file:
        content = file.read()
    temporary, permanent = all_failures(message_from_bytes(content))
    text = lambda found: sorted(one.decode('latin1') if isinstance(one, bytes) else str(one) for one in found)
    samples.append({
        'name': name,
        'content': base64.b64encode(content).decode(),
        'temporary': text(temporary),
        'permanent': text(permanent),
    })
print(json.dumps(samples))
