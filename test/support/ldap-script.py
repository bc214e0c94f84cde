"""Runs a list of LDAP operations, read as JSON, with python-ldap; writes what came of each as JSON."""
import json
import sys

import ldap
import ldap.modlist
import ldap.sasl
from ldap.controls import SimplePagedResultsControl
from ldap.controls.sss import SSSRequestControl

SCOPES = {'base': ldap.SCOPE_BASE, 'one': ldap.SCOPE_ONELEVEL, 'sub': ldap.SCOPE_SUBTREE}
CHANGES = {'add': ldap.MOD_ADD, 'delete': ldap.MOD_DELETE, 'replace': ldap.MOD_REPLACE}


def values(given):
    return None if given is None else [value.encode() for value in given]


def shown(entries):
    return [
        [dn, {name: sorted(value.decode('utf-8', 'backslashreplace') for value in attributes[name]) for name in attributes}]
        for dn, attributes in entries
        if dn is not None
    ]


def search(to, base, scope, filter, attributes, controls=None, size=0):
    found = []
    id = to.search_ext(base, SCOPES[scope], filter, attributes, serverctrls=controls, sizelimit=size, timeout=20)
    _, entries, _, told = to.result3(id)
    found.extend(entries)
    return found, told


def perform(to, what, *given):
    if what == 'bind':
        to.simple_bind_s(*given)
    elif what == 'whoami':
        return to.whoami_s()
    elif what == 'add':
        to.add_s(given[0], [(name, values(all)) for name, all in given[1].items()])
    elif what == 'modify':
        to.modify_s(given[0], [(CHANGES[how], name, values(all)) for how, name, all in given[1]])
    elif what == 'delete':
        to.delete_s(given[0])
    elif what == 'rename':
        to.rename_s(given[0], given[1], given[2], given[3])
    elif what == 'compare':
        return to.compare_s(given[0], given[1], given[2].encode())
    elif what == 'passwd':
        to.passwd_s(*given)
    elif what == 'search':
        return shown(search(to, *given)[0])
    elif what == 'sorted':
        base, filter, attributes, order = given
        return shown(search(to, base, 'sub', filter, attributes, [SSSRequestControl(True, order)])[0])
    elif what == 'paged':
        base, filter, attributes, size = given
        control = SimplePagedResultsControl(True, size=size, cookie='')
        found, pages = [], 0
        while True:
            entries, told = search(to, base, 'sub', filter, attributes, [control])
            found.extend(entries)
            pages += 1
            control.cookie = [one for one in told if one.controlType == control.controlType][0].cookie
            if not control.cookie:
                return [pages, sorted(shown(found))]
    elif what == 'limited':
        base, filter, size = given
        return len(search(to, base, 'sub', filter, ['1.1'], size=size)[0])
    else:
        raise ValueError(what)
    return 'done'


def main():
    uri, operations = sys.argv[1], json.load(sys.stdin)
    to = ldap.initialize(uri)
    to.set_option(ldap.OPT_REFERRALS, 0)
    to.set_option(ldap.OPT_NETWORK_TIMEOUT, 20)
    told = []
    for operation in operations:
        try:
            told.append(perform(to, *operation))
        except ldap.LDAPError as error:
            told.append(type(error).__name__)
    json.dump(told, sys.stdout)


main()
