// `sluice test` itself: what passes, what fails and how it is told (LANGUAGE 11).
#include "app/test_runner.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "app/test_message.h"
#include "app/test_report.h"
#include "app/test_suite.h"

using namespace sluice;
using namespace sluice::app;

namespace {

// A folder of its own that goes with the test.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "sluice-test-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ + "/" + name, std::ios::binary) << text;
    return path_ + "/" + name;
  }
  std::string at(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

struct Played {
  int status = 0;
  std::string out;
  bool says(const std::string& text) const { return out.find(text) != std::string::npos; }
};

Played play(const std::string& text, TestOptions options = {}) {
  Folder folder;
  options.files = {folder.write("policy.yaml", "sluice: 1\npolicy: mine\n" + text)};
  std::ostringstream out;
  Played played;
  played.status = run_tests(options, out);
  played.out = out.str();
  return played;
}

const char* const kRules = R"(
lists: {banned: {type: cidr, dynamic: true}}
rules:
  - greylist: first-contact
    stage: rcpt
    when: rcpt.localpart == "grey"
    delay: 5m
  - rule: banned
    stage: mail
    reply_at: stage
    when: client.ip in $banned
    then: reject 550 5.7.1
    text: "{client.ip} wrote to a trap"
  - rule: forged
    stage: mail
    when: spf.result == fail
    on_unknown: defer
    then: reject 550 5.7.23
  - rule: would
    stage: rcpt
    mode: shadow
    when: rcpt.localpart == "shadow"
    then: reject 551 5.1.6
  - rule: slow
    stage: rcpt
    when: rcpt.localpart == "slow"
    then: delay 3s
  - rule: mark
    stage: end
    when: subject.text == "mark me"
    then:
      - header X-Mark = "yes"
      - subject prefix "[MARK] "
  - rule: hold
    stage: end
    when: subject.text == "hold me"
    then: quarantine "asked for"
)";

std::string with_steps(const std::string& steps, const std::string& session = "") {
  return std::string(kRules) +
         "tests:\n  - name: the test\n    sessions:\n      - client: {ip: 203.0.113.9}\n" +
         session + "        steps:\n" + steps;
}

const std::string kOpening =
    "          - EHLO a.example => 250\n          - MAIL FROM:<a@far.example> => 250\n";

}  // namespace

TEST_CASE("runner: a test that sees what it expects passes") {
  const Played played =
      play(with_steps(kOpening + R"(          - RCPT TO:<bob@example.com> => 250 2.1.5
          - RCPT TO:<grey@example.com> => 450 4.7.1 rule=first-contact text="again in 5m"
          - RCPT TO:<slow@example.com> => 250 delay=3s
          - RCPT TO:<shadow@example.com> => 250 would=551 rule=would
          - DATA => 354
          - 'END => 250 no-header="X-Mark"'
          - QUIT => 221
)"));
  INFO(played.out);
  CHECK(played.status == 0);
  CHECK(played.says("1 tests, 0 failed"));
}

TEST_CASE("runner: each thing that differs fails the test, and the reason is told") {
  const auto fails = [](const std::string& step, const std::string& reason) {
    const Played played = play(with_steps(kOpening + "          - '" + step + "'\n"));
    INFO(step << "\n" << played.out);
    CHECK(played.status == 65);
    CHECK(played.says("FAIL"));
    CHECK(played.says("expected " + reason));
  };
  fails("RCPT TO:<bob@example.com> => 550", "code 550");
  fails("RCPT TO:<grey@example.com> => 450 4.7.2", "status 4.7.2");
  fails("RCPT TO:<grey@example.com> => 450 rule=other", "rule=other");
  fails("RCPT TO:<grey@example.com> => 450 text=\"in 6m\"", "text=\"in 6m\"");
  fails("RCPT TO:<slow@example.com> => 250 delay=2s", "delay=2s");
  fails("RCPT TO:<bob@example.com> => 250 would=551", "would=551");
  fails("RCPT TO:<bob@example.com> => 250 quarantine", "quarantine");
  fails("DATA => 354", "code 354");
}

TEST_CASE(
    "runner: with shadow a step without would= expects that no shadow rule would have answered") {
  const std::string steps = kOpening + "          - RCPT TO:<shadow@example.com> => 250\n";
  CHECK(play(with_steps(steps)).status == 0);
  const Played played = play(with_steps(steps, "        shadow: true\n"));
  CHECK(played.status == 65);
  CHECK(played.says("no shadow rule should have answered"));
}

TEST_CASE("runner: a held message must say so, and headers are those delivered") {
  const std::string rcpt =
      kOpening + "          - RCPT TO:<bob@example.com> => 250\n          - DATA => 354\n";
  const auto with_subject = [](const std::string& subject) {
    return "        headers: ['Subject: " + subject + "', 'X-A: 1']\n";
  };
  CHECK(play(with_steps(rcpt + "          - END => 250\n", with_subject("hold me"))).status == 65);
  CHECK(play(with_steps(rcpt + "          - END => 250 quarantine rule=hold\n",
                        with_subject("hold me")))
            .status == 0);
  CHECK(play(with_steps(rcpt + "          - 'END => 250 header=\"X-Mark: yes\" header=\"Subject: "
                               "[MARK] mark me\" header=\"X-A: 1\"'\n",
                        with_subject("mark me")))
            .status == 0);
  CHECK(play(with_steps(rcpt + "          - 'END => 250 header=\"From: a@far.example\"'\n",
                        with_subject("x")))
            .status == 65);
}

TEST_CASE("runner: time, repeats, given values, lists and a store that is away") {
  const Played played = play(std::string(kRules) + R"(
tests:
  - name: all of it
    sessions:
      - at: 0s
        client: {ip: 203.0.113.9}
        given: {spf.result: timeout}
        steps:
          - EHLO a.example => 250
          - MAIL FROM:<a@far.example> => 250
          - RCPT TO:<bob@example.com> => 451 4.4.3 rule=forged
      - at: 1m
        same: client
        given: {lists: {banned: [203.0.113.9]}}
        steps: [EHLO a => 250, "MAIL FROM:<a@far.example> => 550 5.7.1 rule=banned text=\"203.0.113.9\""]
      - at: 2m
        name: the store is away
        store: down
        same: client
        repeat: 2
        every: 10s
        steps: [EHLO a => 250, "MAIL FROM:<a{n}@far.example> => 250", "repeat 3: RCPT TO:<grey{n}@example.com> => 250"]
      - at: 3m
        same: client
        given: {rcpt.exists: {"no*@example.com": false}, lists: {banned: []}}
        store: up
        steps:
          - EHLO a => 250
          - MAIL FROM:<a@far.example> => 250
          - RCPT TO:<nobody@example.com> => 550 5.1.1
          - RCPT TO:<bob@example.com> => 250
)");
  INFO(played.out);
  CHECK(played.status == 0);
}

TEST_CASE("runner: given facts are of their type, known, and tests do not go back in time") {
  const auto says = [](const std::string& session, const std::string& text) {
    const Played played = play(with_steps(kOpening, session));
    INFO(played.out);
    CHECK(played.status != 0);
    CHECK(played.says(text));
  };
  says("        given: {spf.result: maybe}\n", "`maybe` is not one of none");
  says("        given: {spf.rezult: pass}\n", "no fact is named `spf.rezult`");
  says("        given: {lists: {bannd: []}}\n", "no dynamic list `bannd`");
  says("        given: {dns: {\"far.example XX\": \"1\"}}\n", "the type is one of");
  const Played back = play(std::string(kRules) +
                           "tests:\n  - name: t\n    sessions:\n      - {at: 5m, steps: [EHLO a => "
                           "250]}\n      - {at: 1m, steps: [EHLO a => 250]}\n");
  CHECK(back.status == 65);
  CHECK(back.says("begins before"));
}

TEST_CASE("runner: mistakes in tests are told with their place") {
  const auto says = [](const std::string& tests, const std::string& text) {
    const Played played = play(std::string(kRules) + "tests:\n" + tests);
    INFO(played.out);
    CHECK(played.status == 78);
    CHECK(played.says(text));
  };
  says("  - name: t\n    sesions: []\n",
       "unknown key `sesions` in a test; did you mean `sessions`?");
  says("  - name: t\n    sessions: [{steps: [EHLO a]}]\n", "a step is written COMMAND => CODE");
  says("  - name: t\n    sessions: [{steps: [EHLO a => ok]}]\n", "a reply code is expected");
  says("  - name: t\n    sessions: [{steps: [EHLO a => 250 rul=x]}]\n", "`rul=x` is none of");
  says("  - name: t\n    sessions: [{client: {ipp: 1}, steps: [EHLO a => 250]}]\n",
       "did you mean `ip`?");
  says("  - name: t\n    sessions: [{at: soon, steps: [EHLO a => 250]}]\n",
       "at: is an offset as 5m");
  says("  - name: t\n    sessions: [{same: client, steps: [EHLO a => 250]}]\n", "none before it");
  says("  - sessions: [{steps: [EHLO a => 250]}]\n", "a test needs a name:");
}

TEST_CASE("runner: filter, coverage and JUnit") {
  Folder folder;
  const std::string file = folder.write(
      "p.yaml", "sluice: 1\npolicy: p\n" +
                    with_steps(kOpening + "          - RCPT TO:<grey@example.com> => 450\n") +
                    "  - name: another <one>\n    sessions: [{steps: [EHLO a => 220]}]\n");
  TestOptions options;
  options.files = {file};
  options.filter = "THE TEST";
  options.junit = folder.at("junit.xml");
  options.coverage_min = 90;
  std::ostringstream out;
  CHECK(run_tests(options, out) == 65);
  CHECK(out.str().find("1 tests, 0 failed") != std::string::npos);
  CHECK(out.str().find("% is below 90 %") != std::string::npos);
  options.filter.clear();
  options.coverage_min.reset();
  CHECK(run_tests(options, out) == 65);
  std::ifstream junit(options.junit);
  const std::string xml{std::istreambuf_iterator<char>(junit), std::istreambuf_iterator<char>()};
  CHECK(xml.find("tests=\"2\" failures=\"1\"") != std::string::npos);
  CHECK(xml.find("another &lt;one&gt;") != std::string::npos);
  options.files = {folder.at("missing.yaml")};
  CHECK(run_tests(options, out) == 66);
}

TEST_CASE("runner: a file of tests stands beside its policy, messages beside the tests") {
  Folder folder;
  folder.write("mine.yaml", std::string("sluice: 1\npolicy: mine\n") + kRules);
  folder.write("held.eml", "Subject: hold\n me\nFrom: a@far.example\n\nbody\n");
  const std::string tests = folder.write("mine-tests.yaml", R"(sluice: 1
policy: mine
tests:
  - name: from a file
    sessions:
      - message: held.eml
        steps: [EHLO a => 250, "MAIL FROM:<a@far.example> => 250", "RCPT TO:<bob@example.com> => 250", DATA => 354, END => 250 quarantine]
)");
  TestOptions options;
  options.files = {tests};
  std::ostringstream out;
  const int status = run_tests(options, out);
  INFO(out.str());
  CHECK(status == 0);
}

TEST_CASE("runner: changes to a message give what is delivered") {
  using mail::Edit;
  const std::vector<mail::Header> sent{
      {"Received", "a"}, {"X-Spam", "1"}, {"Subject", "s"}, {"X-Spam", "2"}};
  const auto text = [&](std::vector<Edit> edits) {
    std::string all;
    for (const auto& header : delivered_headers(sent, edits))
      all += header.name + "=" + header.value + ";";
    return all;
  };
  CHECK(text({}) == "Received=a;X-Spam=1;Subject=s;X-Spam=2;");
  CHECK(text({{Edit::Kind::AddHeader, "A", "1", 0}}) ==
        "Received=a;X-Spam=1;Subject=s;X-Spam=2;A=1;");
  CHECK(text({{Edit::Kind::InsertHeader, "A", "1", 0}}) ==
        "A=1;Received=a;X-Spam=1;Subject=s;X-Spam=2;");
  CHECK(text({{Edit::Kind::SetHeader, "x-spam", "3", 2}}) ==
        "Received=a;X-Spam=1;Subject=s;X-Spam=3;");
  CHECK(text({{Edit::Kind::SetHeader, "New", "3", 1}}) ==
        "Received=a;X-Spam=1;Subject=s;X-Spam=2;New=3;");
  CHECK(text({{Edit::Kind::RemoveHeader, "X-Spam", "", 0}}) == "Received=a;Subject=s;");
}
