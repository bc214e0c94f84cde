"""Asks an LDAP server for virtual list views; prints what each came to, as JSON."""
import json
import sys

import ldap
from ldap.controls.sss import SSSRequestControl
from ldap.controls.vlv import VLVRequestControl

uri, who, password, base, text = sys.argv[1:]
answers = []
for asked in json.load(sys.stdin):
    # slapd keeps a few views for each connection, and then is busy.
    connection = ldap.initialize(uri)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 10)
    connection.timeout = 10
    connection.simple_bind_s(who, password)
    controls = [VLVRequestControl(True, **asked['view'])]
    if asked.get('sort'):
        controls.append(SSSRequestControl(True, asked['sort']))
    try:
        number = connection.search_ext(base, ldap.SCOPE_SUBTREE, text, ['uid'], serverctrls=controls)
        _, found, _, returned = connection.result3(number)
    except ldap.LDAPError as error:
        answers.append(type(error).__name__)
        continue
    uids = [values['uid'][0].decode() for _, values in found]
    view = [one for one in returned if one.controlType == '2.16.840.1.113730.3.4.10'][0]
    answers.append([uids, view.targetPosition, view.contentCount])
json.dump(answers, sys.stdout)
