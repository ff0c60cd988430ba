// The tests of a policy as written (LANGUAGE 11): sessions, what is given to them, and the steps
// with what the client must see. Read from the `tests:` that the loader found, with every mistake
// at its place.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/diagnostic.h"
#include "policy/policy_source.h"
#include "policy/yaml_tree.h"

namespace sluice::app {

inline constexpr int kMaxTestRepeat = 100'000;  // of a step or a session

// "=> 250 2.0.0 rule=NAME text="…" header="Name: value" …"
struct Expectation {
  int code = 0;
  std::string status;  // empty: any
  std::string rule;
  std::vector<std::string> texts;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> absent_headers;
  std::optional<int> would;
  std::optional<Duration> delay;
  bool quarantine = false, discard = false;
};

struct TestStep {
  SourceSpan span;
  std::string command;  // "RCPT TO:<r{n}@far.example>"
  int repeat = 1;
  Expectation expected;
  std::string written;  // the whole line
};

struct TestClient {
  std::string ip = "192.0.2.1", rdns, ptr, tls, auth, country, asn;
  int port = 25;  // connected to
};

// Content of the messages of a session: a file, or headers and body; nothing: a usual message.
struct TestMessage {
  std::optional<std::string> file;  // path as written, relative to the test's file
  std::optional<std::vector<std::string>> headers;
  std::optional<std::string> body;
};

struct TestSession {
  SourceSpan span;
  std::string name;
  std::optional<Duration> offset;  // from the start of the test
  std::optional<TimePoint> time;   // absolute
  int repeat = 1;
  Duration every{0};
  TestClient client;
  std::vector<policy::YamlEntry> given;  // as written; values are typed when the policy is known
  TestMessage message;
  std::optional<bool> store_is_down;  // from this session on
  bool shadow = false;
  std::vector<TestStep> steps;
};

struct PolicyTest {
  SourceSpan span;
  std::string name;
  std::vector<TestSession> sessions;
};

// All tests of a bundle. Mistakes: E102 unknown key, E105 a key is missing, E106 a value of the
// wrong form.
std::vector<PolicyTest> read_tests(const policy::PolicySource& source, Diagnostics& diagnostics);

// One step line.
std::optional<TestStep> parse_step(const policy::Scalar& scalar, Diagnostics& diagnostics);

}  // namespace sluice::app
