"""A filter of libmilter (python3-milter) that does what the subject asks, and tells on stdout what it hears."""
import json, os, sys
import Milter

class Filter(Milter.Base):
    def tell(self, *what):
        print(json.dumps(what), flush=True)

    def connect(self, name, family, address):
        self.tell('connect', name, list(address) if isinstance(address, tuple) else address, self.getsymval('j'), self.getsymval('{daemon_name}'))
        return Milter.REJECT if address and address[0] == '192.0.2.66' else Milter.CONTINUE

    def hello(self, name):
        self.tell('helo', name)
        return Milter.TEMPFAIL if name == 'busy.test' else Milter.CONTINUE

    def envfrom(self, sender, *arguments):
        self.tell('mail', sender, list(arguments), self.getsymval('{auth_authen}'))
        self.fields, self.size = [], 0
        if 'accepted' in sender: return Milter.ACCEPT
        return Milter.REJECT if 'bad' in sender else Milter.CONTINUE

    def envrcpt(self, to, *arguments):
        self.tell('rcpt', to)
        if 'grey' in to:
            self.setreply('450', '4.2.1', 'Greylisted, come back')
            return Milter.TEMPFAIL
        return Milter.REJECT if 'refused' in to else Milter.CONTINUE

    def header(self, name, value):
        self.fields.append([name, value])
        return Milter.CONTINUE

    def eoh(self):
        self.tell('header', self.fields)
        return Milter.CONTINUE

    def body(self, chunk):
        self.size += len(chunk)
        return Milter.CONTINUE

    def eom(self):
        self.tell('end', self.size, self.getsymval('i'))
        words = dict(self.fields).get('Subject', '').split()
        for word in words:
            name, _, value = word.partition('=')
            if name == 'refuse':
                self.setreply('554', '5.7.0', 'Not %s' % value)
                return Milter.REJECT
            if name == 'discard': return Milter.DISCARD
            if name == 'hold': self.quarantine(value)
            if name == 'add': self.addheader('X-Added', value)
            if name == 'top': self.addheader('X-Top', value + '\n\tfolded', 0)
            if name == 'change': self.chgheader('X-Many', 2, value)
            if name == 'remove': self.chgheader('X-Many', 1, '')
            if name == 'to': self.addrcpt('<%s>' % value)
            if name == 'not': self.delrcpt('<%s>' % value)
            if name == 'from': self.chgfrom('<%s>' % value)
            if name == 'body':
                for _ in range(int(value)): self.replacebody(b'new body\r\n' * 6000)
            if name == 'progress': self.progress()
            if name == 'inject': self.addheader('X-Inject', 'a\nBcc: evil@x.test')
            if name == 'crash': os._exit(1)
        return Milter.CONTINUE

    def abort(self):
        self.tell('abort')
        return Milter.CONTINUE

    def close(self):
        self.tell('close')
        return Milter.CONTINUE

Milter.factory = Filter
Milter.set_flags(Milter.ADDHDRS | Milter.CHGHDRS | Milter.CHGBODY | Milter.ADDRCPT | Milter.DELRCPT | Milter.CHGFROM | Milter.QUARANTINE)
print('"ready"', flush=True)
Milter.runmilter('test', sys.argv[1], 20)
