"""Debian's Mailman 3 core in one process: its LMTP server, and the runners that turn a post into deliveries.

Usage: mailman-core.py CONFIG. Standard input is one line of JSON: the list's address, its members with their delivery mode
and preferences, and attributes of the list. It prints `ready` when the LMTP server listens, and then works until its
input ends.
"""
import json
import sys
import threading

from mailman.core.initialize import initialize

initialize(sys.argv[1])

import dns.resolver
import mailman.rules.dmarc
from mailman.app.lifecycle import create_list
from mailman.config import config
from mailman.database.transaction import transaction
from mailman.interfaces.domain import IDomainManager
from mailman.interfaces.member import DeliveryMode, DeliveryStatus
from mailman.interfaces.subscriptions import ISubscriptionManager
from mailman.interfaces.usermanager import IUserManager
from mailman.runners.incoming import IncomingRunner
from mailman.runners.lmtp import LMTPRunner
from mailman.runners.outgoing import OutgoingRunner
from mailman.runners.pipeline import PipelineRunner
from mailman.runners.virgin import VirginRunner
from mailman.utilities.datetime import now
from zope.component import getUtility

setup = json.loads(sys.stdin.readline())
if 'dns' in setup:
    class ZoneResolver(dns.resolver.Resolver):
        def __init__(self):
            super().__init__(configure=False)
            host, port = setup['dns'].rsplit(':', 1)
            self.nameservers = [host]
            self.port = int(port)

    dns.resolver.Resolver = ZoneResolver
    # The list of public suffixes is not there to be fetched.
    mailman.rules.dmarc.suffix_cache['test'] = []
address = setup['address']
with transaction():
    getUtility(IDomainManager).add(address.split('@')[1])
    mlist = create_list(address, ['owner@o.test'])
    for name, value in setup['attributes'].items():
        kind = type(getattr(mlist, name))
        setattr(mlist, name, kind[value] if hasattr(kind, '__members__') else value)
    users = getUtility(IUserManager)
    for given in setup['members']:
        known = users.create_address(given['address'], given.get('name', ''))
        known.verified_on = now()
        member = mlist.subscribe(known)
        preferences = member.preferences
        if 'own' in given:
            preferences.receive_own_postings = given['own']
        if 'acknowledge' in given:
            preferences.acknowledge_posts = given['acknowledge']
        if given.get('delivery') == 'mime':
            preferences.delivery_mode = DeliveryMode.mime_digests
        if given.get('delivery') == 'none':
            preferences.delivery_status = DeliveryStatus.by_user
        preferences.receive_list_copy = given.get('duplicates', False)

lmtp = LMTPRunner('lmtp')
lmtp.lmtp.start()
print('ready', flush=True)

runners = [kind(name) for kind, name in (
    (IncomingRunner, 'in'), (PipelineRunner, 'pipeline'), (VirginRunner, 'virgin'), (OutgoingRunner, 'out'))]
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
while not ended.is_set():
    if sum(runner._one_iteration() for runner in runners) == 0:
        ended.wait(0.02)
lmtp.lmtp.stop()
