"""Writes the configuration of a Mailman 2.1 list as Python 2 did: `str` as octets, bounces as old-style instances.

Usage: mailman2-config.py PROTOCOL (0, 1 or 2). The pickle goes to standard output.
"""
import io
import pickle
import sys

protocol = int(sys.argv[1])


class Instance:
    """An instance of an old-style class."""

    def __init__(self, module, name, state):
        self.module, self.name, self.state = module, name, state


class Pickler(pickle._Pickler):
    dispatch = dict(pickle._Pickler.dispatch)

    def save_octets(self, text):
        octets = text.encode('latin1')
        if protocol == 0:
            self.write(b'S' + repr(octets)[1:].encode() + b'\n')
        elif len(octets) < 256:
            self.write(b'U' + bytes([len(octets)]) + octets)
        else:
            self.write(b'T' + len(octets).to_bytes(4, 'little') + octets)
        self.memoize(text)

    def save_instance(self, instance):
        self.write(b'(i' + instance.module.encode() + b'\n' + instance.name.encode() + b'\n')
        self.memoize(instance)
        self.save(instance.state)
        self.write(b'b')

    dispatch[str] = save_octets
    dispatch[Instance] = save_instance


config = {
    'real_name': 'Devs',
    'description': 'The gr\u00fcne developers'.encode().decode('latin1'),
    'info': 'Long ' * 100,
    'owner': ['owner@o.test'],
    'moderator': [],
    'advertised': True,
    'archive': 1,
    'archive_private': 0,
    'default_member_moderation': 0,
    'generic_nonmember_action': 2,
    'accept_these_nonmembers': ['x@x.test', '^.*@y'],
    'max_message_size': 40,
    'subject_prefix': '[Devs %d] ',
    'msg_footer': '_______________________________________________\n%(real_name)s mailing list\n%(real_name)s@%(host_name)s\n%(web_page_url)slistinfo%(cgiext)s/%(_internal_name)s\n',
    'reply_goes_to_list': 1,
    'subscribe_policy': 3,
    'dmarc_moderation_action': 2,
    'bounce_processing': True,
    'bounce_score_threshold': 5.0,
    'digest_size_threshhold': 30,
    'preferred_language': 'de',
    'topics': [('Releases', 'release|version', 'About releases', 0), ('Bugs', '.*bug.*', '', 0)],
    'members': {'ann@a.test': 0, 'bob@b.test': 'Bob@b.test', 'off@o.test': 0},
    'digest_members': {'dan@d.test': 0, 'plain@p.test': 0},
    'user_options': {'ann@a.test': 2 | 4, 'bob@b.test': 128 | 256, 'plain@p.test': 8},
    'usernames': {'ann@a.test': 'Ann'},
    'language': {'dan@d.test': 'fr'},
    'delivery_status': {'off@o.test': (2, 1100000000.5)},
    'topics_userinterest': {'ann@a.test': ['Bugs']},
    'bounce_info': {'bob@b.test': Instance('Mailman.Bouncer', '_BounceInfo', {'score': 1.0, 'date': (2006, 1, 2)})},
    'next_post_number': 12345678901,
    'postings_responses': {},
    'pipeline': None,
}
out = io.BytesIO()
Pickler(out, protocol).dump(config)
sys.stdout.buffer.write(out.getvalue())
