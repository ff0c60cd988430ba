#!/usr/bin/env python3
"""Every fact that asks the DNS or reads an address, through a real Postfix: nsd is the authority, a faulty server
stands between it and Sluice."""

import json
import os
import sys
import time

from rig import case, loopback
from rig.faulty_dns import FaultyDns
from rig.nsd import Nsd
from rig.smtp_client import SmtpClient

DEADLINE = 3  # seconds, of one answer where servers fail; where they answer, a busy machine may take its time

ZONES = {
    "far.example": """\
@ MX 10 mx
mx A 8.8.8.8
mail A 203.0.113.9
@ TXT "v=spf1 ip4:203.0.113.0/24 -all exp=why.far.example."
why TXT "only the hosts of %{d} send for it"
address A 203.0.113.10
six AAAA 2001:db8::10
null MX 0 .
bogus MX 10 loop
bogus MX 20 private
loop A 127.0.0.1
private A 10.0.0.1
nothing TXT "neither mail nor address"
alias CNAME address
soft TXT "v=spf1 ~all"
soft A 203.0.113.11
broken TXT "v=spf1 ip4:nonsense"
broken A 203.0.113.11
many MX 10 mail
""" + "".join(f'many TXT "{letter * 250}"\n' for letter in "abcdefgh") + 'many TXT "v=spf1 -all"\n',
    "xn--bcher-kva.example": "@ MX 10 mail.far.example.\n",
    "zen.example": """\
2.0.0.127 A 127.0.0.2
5.113.0.203 A 127.0.0.4
5.113.0.203 TXT "listed, see https://zen.example/5"
6.113.0.203 A 127.0.0.77
7.113.0.203 A 127.255.255.254
8.113.0.203 A 203.0.113.80
""",
    "cop.example": "2.0.0.127 A 127.0.0.2\n5.113.0.203 A 127.0.0.2\n",
    "dbl.example": "test A 127.0.1.2\nbad.example A 127.0.1.2\n",
    "helo.example": "test A 127.0.0.2\nspam.bad.example A 127.0.0.2\n",
    "world.example": "* A 127.0.0.2\n",  # lists everything
    "refusing.example": "* A 127.255.255.254\n",
    "unloaded.example": None,  # SERVFAIL
    "slow.example": "2.0.0.127 A 127.0.0.2\n",
    ".": "bad.example MX 10 mail.far.example.\nspam.bad.example A 203.0.113.12\n",
}

# Tried in order; the name of the rule is its recipient, so that each is asked alone.
RULES = [
    ("sender-valid", "mail", "not sender.valid", "553 5.1.7", "{sender.error}"),
    ("sender-resolves", "mail", "not sender.resolves", "510 5.1.8", "{sender.domain} has no mail"),
    ("sender-null-mx", "mail", "sender.null_mx", "510 5.7.27", "{sender.domain} sends no mail"),
    ("sender-bogus-mx", "mail", "sender.bogus_mx", "510 5.1.8", "the hosts of {sender.domain} cannot be reached"),
    ("sender-parts", "mail", "sender.is_null or sender.domain is set", "550 5.7.1",
     "{sender.address} {sender.localpart} {sender.domain} {sender.is_null}"),
    ("spf-fail", "mail", "spf.result == fail", "550 5.7.23", "{spf.domain}: {spf.explanation}"),
    ("spf-result", "mail", "spf.result is known", "550 5.7.23", "{spf.result}"),
    ("rcpt-valid", "rcpt", "not rcpt.valid", "553 5.1.3", "{rcpt.error}"),
    ("rcpt-resolves", "rcpt", "not rcpt.resolves", "512 5.1.2", "{rcpt.domain} takes no mail"),
    ("rcpt-null-mx", "rcpt", "rcpt.null_mx", "512 5.1.10", "{rcpt.domain} takes no mail at all"),
    ("rcpt-mx-group", "rcpt", "rcpt.mx_group is set", "550 5.7.1", "{rcpt.mx_group}"),
    ("helo-resolves", "helo", "not helo.resolves", "504 5.5.2", "{helo.name} has no address"),
    ("helo-valid", "helo", "not helo.valid", "501 5.5.4", "{helo.name} {helo.is_literal} {helo.is_fqdn}"),
    ("client-names", "connect", "client.port >= 0", "550 5.7.25",
     "{client.ptr} {client.rdns} {client.pool} {client.dynamic}"),
    ("client-geo", "connect", "client.country is set", "550 5.7.1", "{client.country} {client.asn}"),
    ("dnsbl-ip", "connect", "dnsbl.zen is hit", "550 5.7.1", "{dnsbl.names}: {dnsbl.text}"),
    ("dnsbl-domain", "mail", "dnsbl.dbl is hit", "550 5.7.1", "{sender.domain} is listed"),
    ("dnsbl-helo", "helo", "dnsbl.greeted is hit", "550 5.7.1", "{helo.name} is listed"),
    ("dnsbl-world", "connect", "dnsbl.world is hit", "550 5.7.1", "listed with the world"),
    ("dnsbl-refusing", "connect", "dnsbl.refusing is hit", "550 5.7.1", "listed by a refusal"),
    ("dnsbl-names", "connect", '"zen" in dnsbl.names', "550 5.7.1", "{dnsbl.names}"),
    ("dnsbl-slow", "connect", "dnsbl.slow is hit", "550 5.7.1", "listed late"),
]
UNKNOWN = {"spf-fail": "451 4.7.24", "dnsbl-names": "451 4.4.3", "sender-resolves": "451 4.4.3",
           "dnsbl-slow": "451 4.4.3", "dnsbl-world": "451 4.7.1", "dnsbl-refusing": "451 4.7.2"}


def policy(unknown=UNKNOWN):
    """All rules; those in `unknown` defer when what they ask is not known."""
    text = """\
sluice: 1
policy: dns-facts
dnsbl:
  zen: {zone: zen.example, of: client.ip, hit: 127.0.0.2-127.0.0.11}
  cop: {zone: cop.example, of: client.ip}
  dbl: {zone: dbl.example, of: sender.domain}
  greeted: {zone: helo.example, of: helo.name}
  world: {zone: world.example, of: client.ip}
  refusing: {zone: refusing.example, of: client.ip}
  slow: {zone: slow.example, of: client.ip}
rules:
"""
    for name, stage, when, code, words in RULES:
        text += f"  - rule: {name}\n    stage: rcpt\n    when: ['rcpt.localpart == \"{name}\"', '{when}']\n" \
                f"    then: reject {code}\n    text: '{words}'\n"
        if name in unknown:
            text += f"    on_unknown: defer {unknown[name]}\n"
    return text


def geo():
    data = os.environ.get("SLUICE_TEST_DATA", os.path.join(case.REPOSITORY, "..", "shared", "data"))
    files = [os.path.join(data, "geo", f"GeoLite2-{kind}-Test.mmdb") for kind in ("Country", "ASN")]
    return files if all(map(os.path.exists, files)) else None


class Servers(case.ServerCase):
    """nsd, the faulty server in front of it, Sluice and Postfix."""

    mta_name = "postfix"
    settings = ""
    deadline, timeout = 60, 15  # seconds, of one answer and of one question
    text = staticmethod(policy)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            nsd = Nsd(os.path.join(cls.folder, "nsd"), ZONES)
        except loopback.Unavailable as reason:
            raise case.unittest.SkipTest(str(reason))
        cls._servers.append(nsd)
        nsd.start()
        cls.dns = FaultyDns(nsd.address).start()
        cls._servers.append(cls.dns)
        settings = (f"dns: {{servers: [\"{cls.dns.address}\"], timeout: {int(cls.timeout * 1000)}ms}}\n"
                    f"deadline: {cls.deadline}s\nreply: {{id: false}}\n")
        if geo():
            settings += "geoip: {country: \"%s\", asn: \"%s\"}\n" % tuple(geo())
        cls.before_sluice()
        cls.sluice = cls.start_sluice(cls.text(), settings=settings + cls.settings)
        cls.mta = cls.start_mta("postfix", [cls.sluice.spec], users="*", domains=("a.test", "null.far.example", "gone.example",
                                "address.far.example", "far.example", "under_score.test"), settings={"smtputf8_enable": "yes"})

    @classmethod
    def before_sluice(cls):
        """For faults from the start."""

    def setUp(self):
        self.dns.heal()

    def ask(self, rule, sender="ann@far.example", client="203.0.113.9", helo="mail.far.example", domain="a.test", options="",
            recipient=None, names=("[UNAVAILABLE]", "[UNAVAILABLE]")):
        """The last line of the reply to the recipient that asks for this rule."""
        with SmtpClient(self.mta.host, self.mta.port) as smtp:
            smtp.xclient(addr=client, name=names[0], reverse_name=names[1])
            smtp.say(f"EHLO {helo}")
            reply = smtp.say(f"MAIL FROM:<{sender}>{options}")
            self.assertEqual(reply[-1][:3], "250", reply)
            return smtp.say(f"RCPT TO:{recipient or '<%s@%s>' % (rule, domain)}")[-1]

    def told(self, rule, **about):
        """The text behind the codes, after a look at the codes."""
        code = {name: code for name, _, _, code, _ in RULES}[rule]
        line = self.ask(rule, **about)
        self.assertTrue(line.startswith(code + " "), f"{rule}: {line}")
        return line[len(code) + 1:]

    def passes(self, rule, **about):
        self.assertEqual(self.ask(rule, **about)[:3], "250", rule)

    def status(self):
        return json.loads(self.sluice.command("status", "--json").stdout)


class Facts(Servers):
    def test_sender_syntax_says_why(self):
        self.assertEqual(self.told("sender-valid", sender='"a b"@ex_ample.com'), "the domain is not a valid domain name")
        self.assertEqual(self.told("sender-valid", sender="a..b@far.example"), "two dots may not stand together in the local part")
        self.assertEqual(self.told("sender-valid", sender="a" * 65 + "@far.example"), "the local part is longer than 64 octets")
        for good in ('"a b"@far.example', "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "", "@relay.example:ann@far.example"):
            self.passes("sender-valid", sender=good)
        self.passes("sender-valid", sender="jörg@bücher.example", options=" SMTPUTF8")

    def test_sender_parts(self):
        self.assertEqual(self.told("sender-parts", sender="Ann@FAR.example"), "Ann@far.example Ann far.example false")
        self.assertEqual(self.told("sender-parts", sender=""), "- - - true")
        self.assertIn("xn--bcher-kva.example", self.told("sender-parts", sender="ann@bücher.example", options=" SMTPUTF8"))

    def test_sender_resolves(self):
        for good in ("a@far.example", "a@address.far.example", "a@six.far.example", "a@alias.far.example", "a@[192.0.2.1]"):
            self.passes("sender-resolves", sender=good)
        self.passes("sender-resolves", sender="a@bücher.example", options=" SMTPUTF8")
        for bad in ("nothing.far.example", "gone.far.example", "null.far.example", "nowhere.test-tld"):
            self.assertEqual(self.told("sender-resolves", sender=f"a@{bad}"), f"{bad} has no mail")
        self.assertEqual(self.ask("sender-resolves", sender="a@host.unloaded.example")[:9], "451 4.4.3")

    def test_null_and_bogus_mx(self):
        self.told("sender-null-mx", sender="a@null.far.example")
        self.passes("sender-null-mx")
        self.told("sender-bogus-mx", sender="a@bogus.far.example")
        self.passes("sender-bogus-mx")
        self.passes("sender-bogus-mx", sender="a@null.far.example")

    def test_spf(self):
        self.assertEqual(self.told("spf-fail", client="198.51.100.1"),
                         "far.example: only the hosts of far.example send for it")
        self.passes("spf-fail")
        results = {"ann@far.example": "pass", "a@soft.far.example": "softfail", "a@broken.far.example": "permerror",
                   "a@address.far.example": "none"}
        for sender, result in results.items():
            self.assertEqual(self.told("spf-result", sender=sender), result)
        # 2 kB of TXT come by TCP
        self.assertEqual(self.told("spf-fail", sender="a@many.far.example")[:16], "many.far.example")
        self.assertIn(("many.far.example", "tcp"), self.dns.questions)
        self.assertEqual(self.ask("spf-fail", sender="a@host.unloaded.example")[:10], "451 4.7.24")

    def test_recipients(self):
        self.passes("rcpt-valid")
        self.assertEqual(self.told("rcpt-valid", domain="under_score.test"), "the domain is not a valid domain name")
        self.assertEqual(self.told("rcpt-resolves", domain="gone.example"), "gone.example takes no mail")
        self.assertEqual(self.told("rcpt-resolves", domain="null.far.example"), "null.far.example takes no mail")
        self.told("rcpt-null-mx", domain="null.far.example")
        self.passes("rcpt-resolves", domain="address.far.example")
        self.passes("rcpt-null-mx", domain="address.far.example")
        self.assertEqual(self.told("rcpt-mx-group", domain="far.example"), "far.example")
        self.passes("rcpt-mx-group", domain="address.far.example")

    def test_helo(self):
        self.passes("helo-resolves")
        self.assertEqual(self.told("helo-resolves", helo="nobody.far.example"), "nobody.far.example has no address")
        self.told("helo-resolves", helo="[203.0.113.9]")
        for good in ("mail.far.example", "[203.0.113.9]", "[IPv6:2001:db8::1]", "localhost"):
            self.passes("helo-valid", helo=good)
        self.assertEqual(self.told("helo-valid", helo="my_pc"), "my_pc false false")

    def test_names_of_the_client(self):
        mail, dsl = "mail.far.example", "dsl-203-0-113-77.far.example"
        gone, failed = "[UNAVAILABLE]", "[TEMPUNAVAIL]"
        told = {("203.0.113.9", mail, mail): f"{mail} {mail} far.example false",
                ("203.0.113.77", dsl, dsl): f"{dsl} {dsl} far.example true",
                ("203.0.113.66", gone, "other.far.example"): "other.far.example - 203.0.113.0/24 false",  # leads elsewhere
                ("203.0.113.1", gone, gone): "- - 203.0.113.0/24 false",
                ("203.0.113.2", failed, failed): "? ? 203.0.113.0/24 ?"}
        for (client, *names), expected in told.items():
            self.assertEqual(self.told("client-names", client=client, names=names), expected)

    def test_country_and_network(self):
        if not geo():
            self.skipTest("no test data geo/*.mmdb")
        self.assertEqual(self.told("client-geo", client="81.2.69.142").split()[0], "GB")
        self.passes("client-geo", client="203.0.113.9")

    def test_dns_lists(self):
        self.assertEqual(self.told("dnsbl-ip", client="203.0.113.5"), "zen, cop: listed, see https://zen.example/5")
        for client in ("203.0.113.9",   # not listed
                       "203.0.113.6",   # an answer outside the range of hits
                       "203.0.113.7",   # an error of the list
                       "203.0.113.8"):  # no listing at all
            self.passes("dnsbl-ip", client=client)
        self.assertEqual(self.told("dnsbl-domain", sender="a@bad.example"), "bad.example is listed")
        self.passes("dnsbl-domain")
        self.passes("dnsbl-domain", sender="a@test")  # the list's test entry
        self.assertEqual(self.told("dnsbl-helo", helo="spam.bad.example"), "spam.bad.example is listed")
        self.passes("dnsbl-helo")

    def test_lists_that_cannot_be_believed_are_unknown_and_shown(self):
        self.assertEqual(self.ask("dnsbl-world")[:9], "451 4.7.1")
        self.assertEqual(self.ask("dnsbl-refusing")[:9], "451 4.7.2")
        tested = lambda: not any(one["state"] == "untested" for one in self.status()["dns_lists"])
        loopback.wait_until(tested, loopback.PATIENCE, "a test of each list")
        lists = {one["zone"]: one for one in self.status()["dns_lists"]}
        self.assertEqual({zone: one["state"] for zone, one in lists.items()},
                         {"zen.example": "good", "cop.example": "good", "dbl.example": "good", "helo.example": "good",
                          "slow.example": "good", "world.example": "off", "refusing.example": "off"})
        self.assertIn("so everything", lists["world.example"]["why"])
        text = self.sluice.command("status").stdout
        self.assertIn("dns lists  5 good, 2 NOT", text)
        self.assertEqual(self.sluice.log().count("dns list world.example: off"), 1)

    def test_names_of_lists_of_which_some_are_unknown(self):
        # What zen says is known, whatever the lists say that are off; without it they may be the ones.
        self.assertEqual(self.told("dnsbl-names", client="203.0.113.5"), "zen, cop")
        self.passes("dnsbl-slow", client="203.0.113.14")
        self.dns.fault("zen.example", "servfail")
        self.assertEqual(self.ask("dnsbl-names", client="203.0.113.15")[:9], "451 4.4.3")


class Faults(Servers):
    """What a broken server does to one question: the rule's own word for unknown, never a refusal."""

    deadline, timeout = DEADLINE, 0.5

    def test_every_fault_is_unknown(self):
        for number, fault in enumerate(("servfail", "garbage", "drop", "wrongid")):
            domain = f"f{number}.far.example"
            self.dns.fault(domain, fault)
            start = time.monotonic()
            self.assertEqual(self.ask("sender-resolves", sender=f"a@{domain}")[:9], "451 4.4.3", fault)
            self.assertLess(time.monotonic() - start, loopback.PATIENCE, fault)

    def test_what_comes_late_or_by_tcp_counts(self):
        self.dns.fault("address.far.example", "delay 100")
        self.passes("sender-resolves", sender="a@address.far.example")
        self.dns.fault("six.far.example", "truncate")
        self.passes("sender-resolves", sender="a@six.far.example")
        self.assertIn(("six.far.example", "tcp"), self.dns.questions)

    def test_a_flood_of_names_that_are_not_there(self):
        limit = self.CACHE
        with SmtpClient(self.mta.host, self.mta.port) as smtp:
            smtp.xclient(addr="203.0.113.9", name="[UNAVAILABLE]")
            smtp.say("EHLO mail.far.example")
            for number in range(2 * limit):
                smtp.say(f"MAIL FROM:<a@flood{number}.far.example>")
                self.assertEqual(smtp.say("RCPT TO:<sender-resolves@a.test>")[-1][:9], "510 5.1.8")
                smtp.say("RSET")
        self.assertLessEqual(self.status()["dns"]["entries"], limit)
        self.passes("sender-resolves", sender="a@address.far.example")

    CACHE = 100

    @classmethod
    def start_sluice(cls, policy, **options):
        options["settings"] = options["settings"].replace("timeout: ", f"cache: {cls.CACHE}, timeout: ", 1)
        return super().start_sluice(policy, **options)


class DeadDns(Servers):
    """No answer to anything, from the start: nothing is refused for it, and nobody waits beyond the deadline."""

    deadline, timeout = 1, 60  # who waited for the resolver would wait two minutes

    @staticmethod
    def text():
        return policy(unknown={})

    @classmethod
    def before_sluice(cls):
        cls.dns.fault(".", "drop")

    def setUp(self):
        self.dns.fault(".", "drop")

    SPARED = {"sender-parts": "it asks nothing", "client-names": "it asks for the names only to show them"}

    def test_nothing_is_refused_and_nobody_waits_beyond_the_deadline(self):
        for number, (rule, *_) in enumerate(RULES):
            if rule in self.SPARED:
                continue
            with SmtpClient(self.mta.host, self.mta.port) as smtp:
                smtp.xclient(addr=f"203.0.113.{100 + number}", name="[UNAVAILABLE]")
                for command in ("EHLO mail.far.example", f"MAIL FROM:<a@d{number}.far.example>", f"RCPT TO:<{rule}@a.test>"):
                    start = time.monotonic()
                    reply = smtp.say(command)
                    waited = time.monotonic() - start
                    self.assertNotEqual(reply[-1][0], "5", (rule, reply))
                    self.assertLess(waited, self.deadline + 30, (rule, command))


if __name__ == "__main__":
    sys.exit(case.main())
