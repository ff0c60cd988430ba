#include "random_session.h"

#include <array>
#include <utility>

#include "milter_peer/frame.h"
#include "milter_peer/requests.h"

namespace sluice::wire_test {

using namespace std::string_literals;
using peer::Command;
using peer::Event;

const char* const kPlayedPolicy = R"(
sluice: 1
policy: played
rules:
  - rule: command
    stage: command
    when: command.name == "REFUSED"
    then: reject 502 5.5.1
    text: 'no command'
  - rule: sender
    stage: mail
    when: sender.localpart starts_with "refused"
    reply_at: stage
    then: reject 550 5.7.1
    text: 'no sender'
  - rule: login
    stage: mail
    when: auth.user == "eve"
    reply_at: stage
    then: defer 450 4.7.1
    text: 'no {auth.user}'
  - rule: later
    stage: rcpt
    when: rcpt.localpart starts_with "later"
    then: defer 450 4.7.1
    text: 'not now, 100%'
  - rule: refused
    stage: rcpt
    when: rcpt.localpart starts_with "refused"
    then: reject 550 5.7.1
    text: 'not {rcpt.address}'
  - rule: subject
    stage: headers
    when: subject.text contains "refused"
    then: reject 541
    text: 'no subject'
  - rule: mark
    stage: end
    when: subject.text contains "marked"
    then: [header X-Mark = "yes", remove header "X-Spam"]
  - rule: held
    stage: end
    when: body.text contains "held"
    then: quarantine "held"
  - rule: dropped
    stage: end
    when: body.text contains "dropped"
    then: discard
  - rule: text
    stage: end
    when: body.text contains "refused"
    then: reject 554 5.7.1
    text: 'no text'
)";

namespace {

constexpr std::array<std::string_view, 7> kTexts{"plain", "held", "dropped", "refused",
                                                 "plain", "plain", "plain"};

std::string frame(Command command, std::string_view body = {}) {
  std::string out;
  peer::append_frame(out, static_cast<char>(command), body);
  return out;
}

// Frames that no MTA sends in whatever state: malformed, unknown, lengths that lie.
std::vector<std::string> nonsense() {
  return {frame(static_cast<Command>('Z')),
          frame(static_cast<Command>('\0')),
          frame(Command::Helo, "no end"),
          frame(Command::Mail, "no end"),
          frame(Command::Header, "Name\0"s),
          frame(Command::Header, "\0value\0"s),
          frame(Command::Macro),
          frame(Command::Connect, "host\0X"s),
          "\0\0\0\0H"s,
          "\xff\xff\xff\xffH"s,
          "\0\x10\0\1H"s,
          "GET / HTTP/1.0\r\n\r\n"s};
}

}  // namespace

// One session as it grows.
class RandomSessions::Play {
 public:
  Play(RandomSessions& random, const PlayedAgreement& agreed) : random_(random), agreed_(agreed) {}

  PlayedSession run(bool broken) {
    connect();
    for (std::uint32_t greetings = 1 + one_in(4); greetings > 0; --greetings) helo();
    for (std::uint32_t messages = random_.below(4); messages > 0; --messages) {
      if (one_in(6)) unknown();
      if (one_in(8)) helo();
      message();
    }
    if (broken) break_off();
    return std::move(session_);
  }

 private:
  bool one_in(std::uint32_t n) { return random_.below(n) == 0; }
  bool takes(Event event) const { return (agreed_.steps & peer::rule_of(event).declined) == 0; }
  bool is_told(Event event) const {
    return takes(event) && (agreed_.steps & peer::rule_of(event).silent) == 0;
  }
  // The MTA learns of a refusal only where it is answered.
  bool refuses(Event event, std::string_view answer) const {
    return is_told(event) && answer != "c";
  }

  void add(Event event, std::string bytes, std::string answer = "c", std::string edits = {}) {
    if (takes(event))
      session_.steps.push_back({event, true, std::move(bytes), std::move(answer), std::move(edits)});
  }
  void add_silent(std::string bytes) {
    session_.steps.push_back({Event::Connect, false, std::move(bytes), {}, {}});
  }

  void connect() {
    std::string out;
    if (one_in(2))
      peer::append_macros(out, Command::Connect,
                          {{"j", "mx.here.example"}, {"{client_resolve}", "OK"}, {"_", "x"}});
    static const std::array<peer::ClientAddress, 4> kClients{{{"mail.far.example", '4', 25, "192.0.2.7"},
                                                              {"localhost", 'U', 0, ""},
                                                              {"localhost", 'L', 0, "/run/x.sock"},
                                                              {"[x]", '6', 25, "IPv6:2001:db8::7"}}};
    peer::append_connect(out, kClients[random_.below(4)]);
    add(Event::Connect, std::move(out));
  }

  void helo() {
    std::string out;
    if (one_in(3))
      peer::append_macros(out, Command::Helo, {{"{tls_version}", "TLSv1.3"}, {"{verify}", "NO"}});
    peer::append_texts(out, Command::Helo, {one_in(9) ? "" : "mail.far.example"});
    add(Event::Helo, std::move(out));
  }

  void unknown() {
    const bool refused = one_in(2);
    std::string out;
    peer::append_texts(out, Command::Unknown, {refused ? "REFUSED" : "FROB nicate"});
    add(Event::Unknown, std::move(out), refused ? "y502 5.5.1 no command" : "c");
  }

  void message() {
    if (!mail()) return;
    const std::uint32_t recipients = 1 + random_.below(3);
    for (std::uint32_t i = 0; i < recipients; ++i) {
      rcpt(i + 1 == recipients);
      if (one_in(10)) unknown();
    }
    if (one_in(8)) return abort();
    content();
    if (one_in(3)) abort();  // Postfix does so after each message
  }

  // False: refused, and the MTA knows it.
  bool mail() {
    const bool refused = one_in(6), is_eve = !refused && one_in(8);
    std::string out;
    peer::append_macros(out, Command::Mail,
                        is_eve ? peer::Macros{{"{auth_authen}", "eve"}, {"{auth_type}", "PLAIN"}}
                               : peer::Macros{{"{mail_addr}", "ann@far.example"}});
    std::vector<std::string_view> arguments{refused ? "<refused@far.example>" : "<ann@far.example>"};
    if (one_in(2)) arguments.push_back("SIZE=1200");
    if (one_in(4)) arguments.push_back("BODY=8BITMIME");
    peer::append_texts(out, Command::Mail, arguments);
    const std::string answer = refused  ? "y550 5.7.1 no sender"
                               : is_eve ? "y450 4.7.1 no eve"
                                        : "c";
    add(Event::Mail, std::move(out), answer);
    return !refuses(Event::Mail, answer);
  }

  void rcpt(bool must_pass) {
    const std::uint32_t kind = must_pass ? 0 : random_.below(3);
    std::string out;
    if (one_in(2)) peer::append_macros(out, Command::Rcpt, {{"{rcpt_mailer}", "local"}, {"i", "Q1"}});
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kKinds{
        {{"<bob@here.example>", "c"},
         {"<refused@here.example>", "y550 5.7.1 not refused@here.example"},
         {"<later@here.example>", "y450 4.7.1 not now, 100%%"}}};
    std::vector<std::string_view> arguments{kKinds[kind].first};
    if (one_in(5)) arguments.push_back("NOTIFY=NEVER");
    peer::append_texts(out, Command::Rcpt, arguments);
    add(Event::Rcpt, std::move(out), std::string(kKinds[kind].second));
  }

  void content() {
    std::string macros;
    if (one_in(2)) peer::append_macros(macros, Command::Data, {{"i", "Q1"}});
    add(Event::Data, macros + frame(Command::Data));
    const bool refused = one_in(6), marked = !refused && one_in(3);
    const std::uint32_t spam = random_.below(3);
    header("Subject", refused ? " refused" : marked ? " marked" : " minutes");
    header("From", " Ann <ann@far.example>");
    for (std::uint32_t i = 0; i < spam; ++i) header(i == 0 ? "X-Spam" : "x-spam", " yes");
    const std::string at_end_of_headers = refused ? "y541 5.7.1 no subject" : "c";
    add(Event::EndOfHeaders, frame(Command::EndOfHeaders), at_end_of_headers);
    if (refuses(Event::EndOfHeaders, at_end_of_headers)) return;
    body_and_end(marked, spam);
  }

  void header(std::string_view name, std::string_view value) {
    std::string out;
    peer::append_texts(out, Command::Header, {name, value});
    add(Event::Header, std::move(out));
  }

  void body_and_end(bool marked, std::uint32_t spam) {
    const std::string_view text = kTexts[random_.below(kTexts.size())];
    const std::uint32_t chunks = 1 + random_.below(3);
    for (std::uint32_t i = 0; i < chunks; ++i) {
      std::string out;
      peer::append_body(out, i == 0 ? std::string(text) + "\r\n" : std::string(1 + random_.below(2000), 'x'));
      add(Event::Body, std::move(out));
    }
    std::string macros;
    if (one_in(2)) peer::append_macros(macros, Command::EndOfBody, {{"i", "Q1"}, {"{msg_id}", "<1@x>"}});
    const std::string answer = text == "refused"   ? "y554 5.7.1 no text"
                               : text == "dropped" ? "d"
                                                   : "c";
    // What the message came with is changed first, then comes what is new.
    std::string edits = marked && answer == "c" ? std::string(spam, 'm') + "i" : "";
    if (text == "held") edits += 'q';
    add(Event::EndOfBody, macros + frame(Command::EndOfBody), answer, edits);
  }

  void abort() { add_silent(frame(Command::Abort)); }

  // Something that no MTA would send now.
  void break_off() {
    session_.is_broken = true;
    const std::vector<std::string> all = nonsense();
    std::string bytes = all[random_.below(static_cast<std::uint32_t>(all.size()))];
    if (one_in(2)) {
      static const std::array<Command, 4> kNeedMail{Command::Data, Command::EndOfHeaders,
                                                    Command::EndOfBody, Command::Negotiate};
      bytes = frame(kNeedMail[random_.below(4)]);
    } else if (one_in(4)) {
      bytes.clear();
      peer::append_texts(bytes, Command::Rcpt, {"<bob@here.example>"});
    }
    add_silent(std::move(bytes));
  }

  RandomSessions& random_;
  const PlayedAgreement& agreed_;
  PlayedSession session_;
};

PlayedSession RandomSessions::next(const PlayedAgreement& agreed, bool broken) {
  return Play(*this, agreed).run(broken);
}

}  // namespace sluice::wire_test
