"""Reads messages (a JSON list of base64) with Python's parser: the leaves of each, in order, and the header."""
import base64, email, email.policy, hashlib, json, sys

answers = []
for one in json.load(sys.stdin):
    message = email.message_from_bytes(base64.b64decode(one), policy=email.policy.compat32)
    leaves = []
    for part in message.walk():
        if part.is_multipart():
            continue
        octets = part.get_payload(decode=True) or b''
        charset = part.get_content_charset('us-ascii')
        try:
            text = octets.decode(charset, 'replace')
        except LookupError:
            text = None
        leaves.append({
            'type': part.get_content_type(),
            'charset': charset,
            'format': str(part.get_param('format')),
            'name': str(part.get_filename()),
            'hash': hashlib.sha256(octets).hexdigest(),
            'text': text if part.get_content_maintype() == 'text' else None,
        })
    header = [[name, str(value)] for name, value in message.items() if not name.lower().startswith(('content-', 'mime-'))]
    answers.append({'leaves': leaves, 'header': header, 'defects': [type(one).__name__ for one in message.defects]})
print(json.dumps(answers))
