#include "malformed_case.h"

#include <algorithm>
#include <array>
#include <utility>

#include "milter_peer/milter_peer.h"

namespace sluice::wire_test {
namespace {

using namespace std::string_literals;
using namespace std::chrono_literals;
using peer::Command;

constexpr std::chrono::milliseconds kQuiet = 100ms;

std::string frame(char code, std::string_view body) {
  std::string out;
  peer::append_frame(out, code, body);
  return out;
}

std::string frame(Command command, std::string_view body = {}) {
  return frame(static_cast<char>(command), body);
}

std::string length(std::uint32_t value) {
  std::string out;
  peer::append_u32(out, value);
  return out;
}

std::string offer(std::uint32_t version, std::uint32_t actions, std::uint32_t steps) {
  std::string out;
  peer::append_negotiate(out, {version, actions, steps});
  return out;
}

std::string many_arguments(std::size_t count) {
  std::string body = "<ann@far.example>\0"s;
  for (std::size_t i = 0; i < count; ++i) body += "X=1\0"s;
  return body;
}

using State = SessionState;

struct BodyCase {
  std::string name;
  std::string body;
  std::string libmilter;
};

// Framing, in two states: before anything is known of the peer, and in a session that works.
void add_framing(std::vector<MalformedCase>& cases) {
  for (const State state : {State::Fresh, State::Greeted}) {
    const std::string where = state == State::Fresh ? " at once" : " after HELO";
    const auto add = [&](std::string name, std::string bytes, std::string libmilter) {
      cases.push_back({std::move(name) + where, state, std::move(bytes), std::move(libmilter)});
    };
    add("length 0", length(0), "");
    add("length 0 with a command behind it", length(0) + "H", "closed");
    add("length 2^32-1", length(~0u) + "H", "closed");
    add("length 2^31", length(1u << 31) + "H", "closed");
    add("length 1 MiB + 1", length((1u << 20) + 1) + "H", "closed");
    add("unknown command Z", frame('Z', {}), "closed");
    add("command NUL", frame('\0', {}), "closed");
    add("command 0xff", frame('\xff', "text\0"s), "closed");
    add("half a length", length(9).substr(0, 2), "");
    add("a length and no command", length(9), "");
    add("half a frame", frame(Command::Helo, "mail.far.example\0"s).substr(0, 12), "");
    add("an HTTP request", "GET / HTTP/1.0\r\n\r\n", "closed");
    add("an SMTP greeting", "EHLO mail.far.example\r\n", "closed");
  }
}

void add_negotiation(std::vector<MalformedCase>& cases) {
  const auto add = [&](std::string name, std::string bytes, std::string libmilter) {
    cases.push_back(
        {"negotiate: " + std::move(name), State::Fresh, std::move(bytes), std::move(libmilter)});
  };
  add("no body", frame(Command::Negotiate), "closed");
  add("only a version", frame(Command::Negotiate, length(6)), "closed");
  add("11 bytes", frame(Command::Negotiate, length(6) + length(0) + "abc"), "closed");
  add("surplus bytes",
      frame(Command::Negotiate, length(6) + length(0x1ff) + length(0x1fffff) + "more"), "O");
  add("version 0", offer(0, 0x1ff, 0x1fffff), "closed");
  add("version 1", offer(1, 0x1ff, 0x1fffff), "closed");
  add("version 99", offer(99, 0x1ff, 0x1fffff), "O");
  add("nothing is offered", offer(6, 0, 0), "O");
  add("every bit is offered", offer(6, ~0u, ~0u), "O");
  add("connect before it", frame(Command::Connect, "h\0U"s), "");
  add("MAIL before it", frame(Command::Mail, "<ann@far.example>\0"s), "c");
  add("quit before it", frame(Command::Quit), "closed");
  add("abort before it", frame(Command::Abort), "");
  cases.push_back({"negotiate: twice", State::Negotiated, offer(6, 0x1ff, 0x1fffff), ""});
  cases.push_back({"negotiate: in a message", State::Rcpt, offer(6, 0x1ff, 0x1fffff), ""});
}

void add_connect(std::vector<MalformedCase>& cases) {
  const std::string host = "host\0"s, port = "\0\x19"s;
  const std::vector<BodyCase> bodies = {
      {"no body", "", "closed"},
      {"no NUL", "host", "closed"},
      {"nothing behind the name", host, "closed"},
      {"empty name", "\0U"s, "c"},
      {"family X", host + "X" + port + "192.0.2.7\0"s, "closed"},
      {"family 4 without port", host + "4", "closed"},
      {"family 4 with half a port", host + "4" + port.substr(0, 1), "closed"},
      {"family 4 without address", host + "4" + port, "closed"},
      {"address without NUL", host + "4" + port + "192.0.2.7", "closed"},
      {"address that is none", host + "4" + port + "999.1.2.3\0"s, "closed"},
      {"IPv6 text in family 4", host + "4" + port + "2001:db8::7\0"s, "closed"},
      {"IPv4 text in family 6", host + "6" + port + "192.0.2.7\0"s, "closed"},
      {"bytes behind the address", host + "4" + port + "192.0.2.7\0more"s, "closed"},
  };
  for (const BodyCase& one : bodies)
    cases.push_back({"connect: " + one.name, State::Negotiated, frame(Command::Connect, one.body),
                     one.libmilter});
  cases.push_back({"connect: twice", State::Connected,
                   frame(Command::Connect, host + "4" + port + "192.0.2.7\0"s), ""});
}

// Texts: empty, without their NUL, with NULs where none belong.
void add_texts(std::vector<MalformedCase>& cases) {
  struct Form {
    Command command;
    std::string name;
    State state;
    std::string text;
    std::array<std::string_view, 6> libmilter;
  };
  const std::array<Form, 4> forms = {{
      {Command::Helo,
       "HELO",
       State::Connected,
       "mail.far.example",
       {"closed", "", "c", "c", "c", ""}},
      {Command::Mail,
       "MAIL",
       State::Greeted,
       "<ann@far.example>",
       {"closed", "closed", "c", "c", "c", "c"}},
      {Command::Rcpt,
       "RCPT",
       State::Mail,
       "<bob@here.example>",
       {"closed", "closed", "c", "c", "c", "c"}},
      {Command::Unknown,
       "unknown command",
       State::Greeted,
       "FROB",
       {"closed", "c", "c", "c", "c", "c"}},
  }};
  for (const Form& form : forms) {
    const std::array<BodyCase, 6> bodies = {{
        {"no body", "", ""},
        {"no NUL", form.text, ""},
        {"one NUL", "\0"s, ""},
        {"two NULs", "\0\0"s, ""},
        {"a NUL in the middle", form.text.substr(0, 4) + "\0"s + form.text.substr(4) + "\0"s, ""},
        {"bytes behind the NUL", form.text + "\0more"s, ""},
    }};
    for (std::size_t i = 0; i < bodies.size(); ++i)
      cases.push_back({form.name + ": " + bodies[i].name, form.state,
                       frame(form.command, bodies[i].body), std::string(form.libmilter[i])});
  }
  cases.push_back({"MAIL: 10,000 parameters", State::Greeted,
                   frame(Command::Mail, many_arguments(10000)), "c"});
}

void add_headers(std::vector<MalformedCase>& cases) {
  const std::vector<BodyCase> bodies = {
      {"no body", "", "closed"},
      {"no NUL", "Subject", "closed"},
      {"only a name", "Subject\0"s, "closed"},
      {"value without NUL", "Subject\0minutes"s, "closed"},
      {"empty name", "\0minutes\0"s, "closed"},
      {"two NULs", "\0\0"s, "closed"},
      {"a third text", "Subject\0min\0utes\0"s, "c"},
  };
  for (const BodyCase& one : bodies)
    cases.push_back(
        {"header: " + one.name, State::Rcpt, frame(Command::Header, one.body), one.libmilter});
}

void add_macros(std::vector<MalformedCase>& cases) {
  const std::vector<BodyCase> bodies = {
      {"no body", "", "closed"},
      {"only the command", "M", "c"},
      {"a name without value", "Mi\0"s, "c"},
      {"a name without NUL", "Mi", "c"},
      {"a value without NUL", "Mi\0value"s, "c"},
      {"an empty name", "M\0value\0"s, "c"},
      {"for a command that is none", "Zi\0value\0"s, "c"},
      {"for command NUL", "\0i\0value\0"s, "c"},
      {"60 KiB of value", "Mi\0"s + std::string(61'440, 'v') + "\0"s, "c"},
  };
  // MAIL behind it shows whether the session still works.
  const std::string mail = frame(Command::Mail, "<ann@far.example>\0"s);
  for (const BodyCase& one : bodies)
    cases.push_back({"macros: " + one.name + ", then MAIL", State::Greeted,
                     frame(Command::Macro, one.body) + mail, one.libmilter});
}

void add_order(std::vector<MalformedCase>& cases) {
  const auto add = [&](std::string name, State state, std::string bytes, std::string libmilter) {
    cases.push_back({"order: " + std::move(name), state, std::move(bytes), std::move(libmilter)});
  };
  const std::string mail = frame(Command::Mail, "<ann@far.example>\0"s);
  const std::string rcpt = frame(Command::Rcpt, "<bob@here.example>\0"s);
  const std::string header = frame(Command::Header, "Subject\0minutes\0"s);
  add("HELO before connect", State::Negotiated, frame(Command::Helo, "mail.far.example\0"s), "c");
  add("MAIL before connect", State::Negotiated, mail, "c");
  add("MAIL before HELO", State::Connected, mail, "c");
  add("MAIL twice", State::Mail, mail, "c");
  add("RCPT before MAIL", State::Greeted, rcpt, "");
  add("DATA before MAIL", State::Greeted, frame(Command::Data), "");
  add("DATA before RCPT", State::Mail, frame(Command::Data), "");
  add("header before MAIL", State::Greeted, header, "");
  add("header before RCPT", State::Mail, header, "");
  add("end of headers before MAIL", State::Greeted, frame(Command::EndOfHeaders), "");
  add("body before MAIL", State::Greeted, frame(Command::Body, "text"), "");
  add("body before the end of headers", State::Headers, frame(Command::Body, "text"), "");
  add("end of body before MAIL", State::Greeted, frame(Command::EndOfBody), "");
  add("end of body after RCPT", State::Rcpt, frame(Command::EndOfBody), "c");
  add("RCPT in the body", State::Body, rcpt, "");
  add("HELO in a message", State::Rcpt, frame(Command::Helo, "again.far.example\0"s), "c");
  add("abort, then RCPT", State::Rcpt, frame(Command::Abort) + rcpt, "");
  add("abort before connect, then connect", State::Negotiated,
      frame(Command::Abort) + frame(Command::Connect, "host\0U"s), "");
  add("quit for a new connection, then connect", State::Body,
      frame(Command::QuitForNewConnection) + frame(Command::Connect, "host\0U"s), "");
}

void add_sizes(std::vector<MalformedCase>& cases) {
  const auto add = [&](std::string name, State state, std::string bytes, std::string libmilter) {
    cases.push_back({"size: " + std::move(name), state, std::move(bytes), std::move(libmilter)});
  };
  const std::string large(1 << 20, 'x');
  add("a body chunk of 65,536", State::Body, frame(Command::Body, large.substr(0, 65536)),
      "closed");
  add("a body chunk of 1 MiB", State::Body, frame(Command::Body, large), "closed");
  add("an empty body chunk", State::Body, frame(Command::Body), "closed");
  add("a body chunk of NULs", State::Body, frame(Command::Body, std::string(1000, '\0')), "c");
  add("HELO of 60,000", State::Connected, frame(Command::Helo, large.substr(0, 60000) + "\0"s),
      "c");
  add("HELO of 1 MiB", State::Connected, frame(Command::Helo, large + "\0"s), "closed");
  add("bytes behind DATA", State::Rcpt, frame(Command::Data, "text"), "c");
  add("bytes behind the end of headers", State::Headers, frame(Command::EndOfHeaders, "text"), "c");
  add("bytes behind the end of body", State::Body, frame(Command::EndOfBody, "text"), "c");
  add("bytes behind quit", State::Greeted, frame(Command::Quit, "text"), "closed");
}

// Reaches the state by honest steps; false when the filter does not go along.
bool reach(peer::MilterPeer& peer, State wanted) {
  const auto goes_on = [](const Result<peer::Answer>& answer) {
    return answer && answer->lets_pass();
  };
  return (wanted < State::Connected || goes_on(peer.connect())) &&
         (wanted < State::Greeted || goes_on(peer.helo("mail.far.example"))) &&
         (wanted < State::Mail || goes_on(peer.mail({"<ann@far.example>"}))) &&
         (wanted < State::Rcpt || goes_on(peer.rcpt({"<bob@here.example>"}))) &&
         (wanted < State::Headers ||
          (goes_on(peer.data()) && goes_on(peer.header("From", "ann")))) &&
         (wanted < State::Body || goes_on(peer.end_of_headers()));
}

// What comes back until it is as expected and nothing follows for a moment, or patience ends.
std::string listen_to(peer::Link& link, std::string_view expected,
                      std::chrono::milliseconds patience) {
  std::string seen;
  peer::FrameReader frames;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    const auto bytes = link.receive(seen == expected ? std::min(left, kQuiet) : left);
    const bool is_over = bytes ? bytes->empty() : bytes.error().what.starts_with("receive");
    if (is_over) return seen + (seen.empty() ? "closed" : " closed");
    if (!bytes) return seen;
    frames.feed(*bytes);
    while (const auto one = frames.next()) {
      if (!seen.empty()) seen += ' ';
      seen += one->code;
    }
  }
}

}  // namespace

const std::vector<MalformedCase>& malformed_cases() {
  static const std::vector<MalformedCase> kCases = [] {
    std::vector<MalformedCase> cases;
    for (const auto add : {add_framing, add_negotiation, add_connect, add_texts, add_headers,
                           add_macros, add_order, add_sizes})
      add(cases);
    return cases;
  }();
  return kCases;
}

std::optional<std::string> observe(const peer::Endpoint& endpoint, const MalformedCase& one,
                                   std::chrono::milliseconds patience) {
  if (one.state == State::Fresh) {
    auto link = peer::Link::open(endpoint);
    if (!link) return std::nullopt;
    // A filter that closes at once may make sending fail: what it sent before is still there.
    (void)link->send(one.bytes, patience);
    return listen_to(*link, one.libmilter, patience);
  }
  auto peer = peer::MilterPeer::attach(endpoint);
  if (!peer || !reach(*peer, one.state)) return std::nullopt;
  (void)peer->link().send(one.bytes, patience);
  return listen_to(peer->link(), one.libmilter, patience);
}

}  // namespace sluice::wire_test
