#include "app/test_suite.h"

#include <array>
#include <charconv>

#include "base/ip_address.h"
#include "base/text.h"

namespace sluice::app {

namespace {

using policy::PolicySource;
using policy::Scalar;
using policy::YamlEntry;
using policy::YamlNode;

class SuiteReader {
 public:
  explicit SuiteReader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  void read(const YamlNode& tests, std::vector<PolicyTest>& out) {
    if (!is(tests, YamlNode::Kind::Sequence, "tests: is a list of tests")) return;
    for (const YamlNode& node : tests.items) {
      if (auto test = read_test(node)) out.push_back(std::move(*test));
    }
  }

 private:
  using Kind = YamlNode::Kind;

  bool is(const YamlNode& node, Kind kind, const std::string& message) {
    if (node.kind == kind) return true;
    diagnostics_.error("E106", node.span, message);
    return false;
  }
  void unknown_key(const Scalar& key, const char* where,
                   const std::vector<std::string_view>& known) {
    std::string message = "unknown key `" + key.text + "` in " + where;
    const std::string_view near = nearest(key.text, known);
    if (!near.empty()) message += "; did you mean `" + std::string(near) + "`?";
    diagnostics_.error("E102", key.whole(), message);
  }
  std::string text(const YamlNode& node, const char* what) {
    return is(node, Kind::Scalar, std::string(what) + " is one value") ? node.scalar.text
                                                                       : std::string();
  }
  template <class T>
  T number(const YamlNode& node, const char* what, T least, T most) {
    const std::string written = text(node, what);
    T value = least;
    const auto [rest, error] =
        std::from_chars(written.data(), written.data() + written.size(), value);
    if (error != std::errc{} || rest != written.data() + written.size() || value < least ||
        value > most) {
      diagnostics_.error("E106", node.span,
                         std::string(what) + " is a number from " + std::to_string(least) + " to " +
                             std::to_string(most));
      return least;
    }
    return value;
  }

  std::optional<PolicyTest> read_test(const YamlNode& node) {
    if (!is(node, Kind::Map, "a test is a map with name: and sessions:")) return std::nullopt;
    PolicyTest test;
    test.span = node.span;
    for (const YamlEntry& entry : node.entries) {
      if (entry.first.text == "name") {
        test.name = text(entry.second, "name:");
      } else if (entry.first.text == "sessions") {
        read_sessions(entry.second, test);
      } else if (entry.first.text != "description") {
        unknown_key(entry.first, "a test", {"name", "sessions", "description"});
      }
    }
    if (test.name.empty()) diagnostics_.error("E105", node.span, "a test needs a name:");
    if (test.sessions.empty()) diagnostics_.error("E105", node.span, "a test needs sessions:");
    return test;
  }

  void read_sessions(const YamlNode& node, PolicyTest& test) {
    if (!is(node, Kind::Sequence, "sessions: is a list of sessions")) return;
    for (const YamlNode& item : node.items) {
      const TestSession* before = test.sessions.empty() ? nullptr : &test.sessions.back();
      test.sessions.push_back(read_session(item, before));
    }
  }

  struct Key {
    std::string_view name;
    void (SuiteReader::*read)(const YamlNode&, TestSession&);
  };
  static constexpr std::size_t kKeys = 14;
  static const std::array<Key, kKeys>& keys() {
    static constexpr std::array<Key, kKeys> kTable{
        {{"name", &SuiteReader::read_name},
         {"at", &SuiteReader::read_at},
         {"repeat", &SuiteReader::read_repeat},
         {"every", &SuiteReader::read_every},
         {"same", &SuiteReader::read_nothing},  // read first
         {"client", &SuiteReader::read_client},
         {"given", &SuiteReader::read_given},
         {"message", &SuiteReader::read_message},
         {"headers", &SuiteReader::read_headers},
         {"body", &SuiteReader::read_body},
         {"redis", &SuiteReader::read_store},
         {"store", &SuiteReader::read_store},
         {"shadow", &SuiteReader::read_shadow},
         {"steps", &SuiteReader::read_steps}}};
    return kTable;
  }

  TestSession read_session(const YamlNode& node, const TestSession* before) {
    TestSession session;
    session.span = node.span;
    if (!is(node, Kind::Map, "a session is a map with steps:")) return session;
    if (const YamlNode* same = node.find("same")) take_over(*same, before, session);
    for (const YamlEntry& entry : node.entries) {
      const Key* found = nullptr;
      std::vector<std::string_view> names;
      for (const Key& key : keys()) {
        names.push_back(key.name);
        if (key.name == entry.first.text) found = &key;
      }
      if (found == nullptr) {
        unknown_key(entry.first, "a session", names);
      } else {
        (this->*found->read)(entry.second, session);
      }
    }
    if (session.steps.empty()) diagnostics_.error("E105", node.span, "a session needs steps:");
    return session;
  }

  void take_over(const YamlNode& node, const TestSession* before, TestSession& session) {
    std::vector<std::string> words;
    if (node.kind == Kind::Scalar) {
      for (const std::string_view word : split(node.scalar.text, ','))
        words.emplace_back(trim(word));
    }
    for (const YamlNode& item : node.items) words.push_back(item.scalar.text);
    for (const std::string& word : words) {
      if (before == nullptr) {
        diagnostics_.error("E106", node.span,
                           "the first session has none before it that it could be the same as");
      } else if (word == "client") {
        session.client = before->client;
      } else if (word == "given") {
        session.given = before->given;
      } else if (word == "message") {
        session.message = before->message;
      } else {
        diagnostics_.error("E106", node.span,
                           "same: takes client, given and message, not `" + word + "`");
      }
    }
  }

  void read_nothing(const YamlNode&, TestSession&) {}
  void read_name(const YamlNode& node, TestSession& session) { session.name = text(node, "name:"); }
  void read_at(const YamlNode& node, TestSession& session) {
    const std::string written = text(node, "at:");
    session.offset = parse_duration(written);
    if (!session.offset) session.time = parse_datetime(written);
    if (!session.offset && !session.time)
      diagnostics_.error("E106", node.span,
                         "at: is an offset as 5m or a time as 2026-10-15T00:00Z");
  }
  void read_repeat(const YamlNode& node, TestSession& session) {
    session.repeat = number<int>(node, "repeat:", 1, kMaxTestRepeat);
  }
  void read_every(const YamlNode& node, TestSession& session) {
    const auto every = parse_duration(text(node, "every:"));
    if (!every) diagnostics_.error("E106", node.span, "every: is a duration as 10s");
    session.every = every.value_or(Duration{0});
  }

  struct ClientKey {
    std::string_view name;
    std::string TestClient::*place;
  };
  static const std::array<ClientKey, 7>& client_keys() {
    static constexpr std::array<ClientKey, 7> kTable{{{"ip", &TestClient::ip},
                                                      {"rdns", &TestClient::rdns},
                                                      {"ptr", &TestClient::ptr},
                                                      {"tls", &TestClient::tls},
                                                      {"auth", &TestClient::auth},
                                                      {"country", &TestClient::country},
                                                      {"asn", &TestClient::asn}}};
    return kTable;
  }
  void read_client(const YamlNode& node, TestSession& session) {
    if (!is(node, Kind::Map, "client: is a map as {ip: 203.0.113.9}")) return;
    for (const YamlEntry& entry : node.entries) {
      if (entry.first.text == "port") {
        session.client.port = number<int>(entry.second, "port:", 1, 65535);
        continue;
      }
      std::vector<std::string_view> names{"port"};
      bool found = false;
      for (const ClientKey& key : client_keys()) {
        names.push_back(key.name);
        if (key.name != entry.first.text) continue;
        session.client.*key.place = text(entry.second, "a value of client:");
        found = true;
      }
      if (!found) unknown_key(entry.first, "client:", names);
    }
    if (!IpAddress::parse(session.client.ip))
      diagnostics_.error("E106", node.span, "`" + session.client.ip + "` is no IP address");
  }

  void read_given(const YamlNode& node, TestSession& session) {
    if (node.is_null() || !is(node, Kind::Map, "given: is a map of facts")) return;
    for (const YamlEntry& entry : node.entries) session.given.push_back(entry);
  }
  void read_message(const YamlNode& node, TestSession& session) {
    session.message.file = text(node, "message:");
  }
  void read_headers(const YamlNode& node, TestSession& session) {
    if (!is(node, Kind::Sequence, "headers: is a list of \"Name: value\"")) return;
    session.message.headers.emplace();
    for (const YamlNode& item : node.items) {
      const std::string line = text(item, "a header");
      if (line.find(':') == std::string::npos || line.front() == ':')
        diagnostics_.error("E106", item.span, "a header is written \"Name: value\"");
      session.message.headers->push_back(line);
    }
  }
  void read_body(const YamlNode& node, TestSession& session) {
    session.message.body = text(node, "body:");
  }
  void read_store(const YamlNode& node, TestSession& session) {
    const std::string word = text(node, "store:");
    if (word != "down" && word != "up")
      diagnostics_.error("E106", node.span, "down or up is expected");
    session.store_is_down = word == "down";
  }
  void read_shadow(const YamlNode& node, TestSession& session) {
    const std::string word = text(node, "shadow:");
    if (word != "true" && word != "false")
      diagnostics_.error("E106", node.span, "true or false is expected");
    session.shadow = word == "true";
  }
  void read_steps(const YamlNode& node, TestSession& session) {
    if (!is(node, Kind::Sequence, "steps: is a list of COMMAND => CODE")) return;
    for (const YamlNode& item : node.items) {
      if (!is(item, Kind::Scalar,
              "a step is written COMMAND => CODE; put the whole line in single quotes"))
        continue;
      if (auto step = parse_step(item.scalar, diagnostics_))
        session.steps.push_back(std::move(*step));
    }
  }

  Diagnostics& diagnostics_;
};

}  // namespace

std::vector<PolicyTest> read_tests(const PolicySource& source, Diagnostics& diagnostics) {
  std::vector<PolicyTest> tests;
  SuiteReader reader(diagnostics);
  for (const auto& [file, node] : source.tests) reader.read(node, tests);
  return tests;
}

}  // namespace sluice::app
