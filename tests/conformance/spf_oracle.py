#!/usr/bin/python3
"""Random SPF zones and senders with the verdict of python3-spf, one JSON object per line.

    spf_oracle.py COUNT SEED

python3-spf is right about RFC 7208 but for the points corrected in class Oracle. What it does differently where the RFC
leaves a choice (records that include themselves, unknown modifiers twice, DNS failures of MX hosts and PTR names, CNAME
loops, explanations longer than 253 characters) is not generated.
"""
import inspect
import json
import random
import socket
import sys

import spf

DOMAINS = ['d%d.example' % i for i in range(8)]
HOSTS = ['h%d.example' % i for i in range(8)]
EMPTY = ['void%d.example' % i for i in range(3)]
SLOW = ['slow%d.example' % i for i in range(2)]
CLIENTS = ['192.0.2.%d' % i for i in range(1, 6)] + ['198.51.100.7', '::ffff:192.0.2.2'] + ['2001:db8::%d' % i for i in range(1, 5)]
LOCAL_PARTS = ['', 'ann', 'ann.b', 'strong-bad', 'a+b=c', 'a..b', 'x' * 64, 'Ann_B', 'a/b']
MACROS = ['%{s}', '%{l}', '%{o}', '%{d}', '%{i}', '%{ir}', '%{v}', '%{h}', '%{d2}', '%{dr}', '%{d1r}', '%{l1r-}', '%{lr-}', '%{L}',
          '%{S}', '%{l+=}', '%{d99}', '%{O}', '%{p}', '%{p2}', '%%', '%_', '%-']
BROKEN = ['foo', 'a:', 'a/33', 'mx//129', 'ip4:1.2.3', 'ip4:1.2.3.4/33', 'ip6:1::2::3', 'all:x', 'include', 'include:', 'exists', 'exists:',
          'a:1.2.3.4', 'a:localhost', 'redirect=', 'exp=', 'exists:%{z}.example', 'exists:%(d).example', 'ip4', 'ptr/8', '=x', 'a/024',
          'exists:%{c}.example', 'mx:h1.example:25', 'a:h1.ex_mple', 'redirect=d0.example redirect=d1.example', 'x=%{y}', '%{d}']

zone = {}


def lookup(name, qtype, strict=True, timeout=None, level=0):
    for kind, value in zone.get(name.lower().rstrip('.'), []):
        if kind == qtype and value == 'TIMEOUT':
            raise spf.TempError('DNS timeout')
        if value == 'TIMEOUT':
            continue
        if kind == 'AAAA':
            value = bytes(socket.inet_pton(socket.AF_INET6, value))
        elif kind == 'TXT':
            value = (value.encode(),)
        elif kind == 'MX':
            value = tuple(value)
        if kind == qtype or kind == 'CNAME':
            yield ((name, kind), value)


spf.DNSLookup = lookup


def line_of(function, text):
    """Number of the only line of a function that holds the text."""
    lines, first = inspect.getsourcelines(function)
    found = [first + i for i, line in enumerate(lines) if text in line]
    assert found, text
    return found


class Oracle(spf.query):
    """4.6.4: a redirect counts when it is followed, and terms (not look-ups) in vain are limited; 5.4: MX hosts are looked up
    until one matches; 7.3: %{p} is of the domain at hand."""

    FOLLOWS_REDIRECT = line_of(spf.query.check0, 'redirect_record = self.dns_spf(redirect)')
    PARSES_REDIRECT = line_of(spf.query.check0, "elif mod == 'redirect':")[0] + 1

    term_is_void = True
    void_terms = 0

    def check_lookups(self):
        if sys._getframe(1).f_lineno == self.PARSES_REDIRECT:
            return
        self.term_is_void = False
        super().check_lookups()

    def dns_spf(self, domain):
        if sys._getframe(1).f_lineno in self.FOLLOWS_REDIRECT:
            self.check_lookups()
        return super().dns_spf(domain)

    def dns_mx(self, domain):
        hosts = self.dns(domain, 'MX')
        if len(hosts) > spf.MAX_MX:
            raise spf.PermError('More than %d MX records returned' % spf.MAX_MX)
        for _, host in sorted(hosts):
            yield from self.dns_a(host, self.A)

    def cidrmatch(self, addresses, length):
        return any(super(Oracle, self).cidrmatch([a], length) for a in addresses)

    def getp(self):
        self.p = None
        return super().getp()

    def dns(self, name, qtype, cnames=None, ignore_void=False):
        labels = name.rstrip('.').split('.')
        result = super().dns(name, qtype, cnames, ignore_void=True)
        possible = all(0 < len(label) < 64 for label in labels)
        if not result and not cnames and not ignore_void and possible and not self.term_is_void:
            self.term_is_void = True
            self.void_terms += 1
            if self.void_terms > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError('void terms')
        return result


def reverse(address):
    number = socket.inet_pton(socket.AF_INET6 if ':' in address else socket.AF_INET, address)
    if address.startswith('::ffff:'):
        return reverse(address[7:])
    if len(number) == 4:
        return '.'.join(str(b) for b in reversed(number)) + '.in-addr.arpa'
    return '.'.join(reversed(number.hex())) + '.ip6.arpa'


def prefix(r):
    return r.choice(['', '', '', '/24', '/32', '/0', '/30']) + r.choice(['', '', '', '//64', '//128', '//0', '//126'])


def target(r, own):
    kind = r.random()
    if kind < 0.35:
        return r.choice(HOSTS)
    if kind < 0.55:
        return r.choice([d for d in DOMAINS if d != own])
    if kind < 0.62:
        return r.choice(EMPTY)
    if kind < 0.66:
        return r.choice(SLOW)
    return r.choice(MACROS) + r.choice(['.', '-', '._x.', '']) + r.choice(['%{d}', 'list.example', 'h1.example', '%{o}'])


def directive(r, own):
    kind = r.choice(['a', 'a', 'mx', 'mx', 'include', 'include', 'include', 'exists', 'ip4', 'ip4', 'ip6', 'ptr', 'all'])
    sign = r.choice(['', '', '+', '-', '~', '?'])
    if r.random() < 0.1:
        kind = kind.upper()
    low = kind.lower()
    if low == 'all':
        return sign + kind
    if low == 'ip4':
        return sign + kind + ':' + r.choice(['192.0.2.%d' % r.randrange(1, 6), '198.51.100.0', '203.0.113.9']) + r.choice(['', '/32', '/24', '/31', '/0'])
    if low == 'ip6':
        return sign + kind + ':' + r.choice(['2001:db8::%d' % r.randrange(1, 5), '2001:DB8::', '::1', '::ffff:192.0.2.1']) + r.choice(['', '/128', '/64', '/127', '/0'])
    if low == 'include':
        return sign + kind + ':' + (r.choice([d for d in DOMAINS if d != own]) if r.random() < 0.8 else target(r, own))
    if low == 'exists':
        return sign + kind + ':' + (r.choice(['%{ir}.list.example', '%{l}.list.example', '%{p}.list.example']) if r.random() < 0.5 else target(r, own))
    named = ':' + target(r, own) if r.random() < 0.7 else ''
    return sign + kind + named + (prefix(r) if low in ('a', 'mx') else '')


def record(r, own):
    terms = [directive(r, own) for _ in range(r.choice([0, 1, 2, 3, 4, 6, 12]))]
    if r.random() < 0.6:
        terms.append(r.choice(['-all', '-all', '-all', '~all', '?all', '+all', 'all']))
    elif r.random() < 0.5:
        terms.insert(r.randrange(len(terms) + 1), 'redirect=' + (r.choice(DOMAINS) if r.random() < 0.8 else target(r, own)))
    if r.random() < 0.7:
        terms.insert(r.randrange(len(terms) + 1), 'exp=' + r.choice(['why0.example', 'why0.example', 'why1.example', 'why1.example', 'why.%{d}', 'void0.example', 'slow0.example']))
    if r.random() < 0.1:
        terms.insert(r.randrange(len(terms) + 1), r.choice(['x=1', 'y.z=%{l}', 'ip4.x=/']))
    if r.random() < 0.05:
        terms.insert(r.randrange(len(terms) + 1), r.choice(BROKEN))
    return r.choice(['v=spf1', 'v=spf1', 'V=SPF1']) + ''.join(r.choice([' ', ' ', '  ']) + t for t in terms) + r.choice(['', '', ' '])


def make_zone(r):
    z = {}
    for d in DOMAINS:
        texts = [record(r, d)] if r.random() < 0.92 else []
        if r.random() < 0.03:
            texts.append('v=spf1 -all')
        if r.random() < 0.2:
            texts.insert(0, r.choice(['v=spf10 -all', 'hello', 'spf2.0/pra -all']))
        z[d] = [['TXT', t] for t in texts]
        if r.random() < 0.5:
            z[d] += [['MX', [r.randrange(30), r.choice(HOSTS)]] for _ in range(r.choice([1, 1, 2, 3, 11]))]
        if r.random() < 0.5:
            z[d] += addresses(r)
    for h in HOSTS:
        z[h] = addresses(r) or [['A', '203.0.113.1']]
    if r.random() < 0.3:
        z['h7.example'] = [['CNAME', 'h1.example']]
    for s in SLOW:
        z[s] = [[kind, 'TIMEOUT'] for kind in ('A', 'AAAA', 'MX', 'TXT')]
    z['void0.example'] = [['NS', 'ns.example']]
    z['list.example'] = [['A', '192.0.2.8'], ['AAAA', '2001:db8::8']]
    z['why0.example'] = [['TXT', r.choice(['%{i} is not for %{o}', 'see %{d} %{L} %{p}', '%{c} %{t} %{r}', '%{ir}.%{v} %{H} %{s}', 'bad %{z}', '100%'])]]
    z['why1.example'] = [['TXT', 'one'], ['TXT', 'two']] if r.random() < 0.3 else [['TXT', 'plain, with %% and %_ and %-']]
    return z


def addresses(r):
    out = [['A', '192.0.2.%d' % r.randrange(1, 9)] for _ in range(r.randrange(3))]
    out += [['AAAA', '2001:db8::%d' % r.randrange(1, 9)] for _ in range(r.randrange(3))]
    return out


def add_names_of(r, z, client):
    """PTR names that all resolve, so that %{p} costs no vain look-up; some lead back, some do not."""
    plain = client[7:] if client.startswith('::ffff:') else client
    kind = 'AAAA' if ':' in plain else 'A'
    names = r.sample(['p0.d0.example', 'p1.d1.example', 'p2.other.example', 'd2.example'], r.randrange(1, 4))
    z[reverse(client)] = [['PTR', n] for n in names]
    for n in names:
        back = plain if r.random() < 0.6 else ('2001:db8::99' if kind == 'AAAA' else '203.0.113.99')
        z[n] = [e for e in z.get(n, []) if e[0] != kind] + [[kind, back]]
    for n in (reverse(client).rsplit('.', 2)[0] + '.list.example', 'ann.list.example', names[0] + '.list.example'):
        if r.random() < 0.5:
            z[n] = [['A', '127.0.0.2']]


def main(count, seed):
    r = random.Random(seed)
    for number in range(count):
        if number % 10 == 0:
            base = make_zone(r)
        zone.clear()
        zone.update({name: list(entries) for name, entries in base.items()})
        client = r.choice(CLIENTS)
        add_names_of(r, zone, client)
        helo = r.choice(DOMAINS + ['helo.example', 'localhost', '[192.0.2.1]'])
        sender = '' if r.random() < 0.1 else r.choice(LOCAL_PARTS) + '@' + r.choice(DOMAINS * 3 + ['void1.example', 'nowhere.example'])
        q = Oracle(i=client, s=sender, h=helo, strict=True)
        q.t = '1234567890'
        if sender.startswith('@'):
            q.s = 'postmaster' + sender  # 4.3
        q.set_default_explanation('')
        result, _, explanation = q.check()
        print(json.dumps({'zone': zone, 'client': client, 'helo': helo, 'sender': sender, 'result': result,
                          'explanation': explanation if result == 'fail' else '',
                          'why': explanation if result in ('permerror', 'temperror') else ''}))


if __name__ == '__main__':
    main(int(sys.argv[1]), int(sys.argv[2]))
