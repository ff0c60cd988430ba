#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include <unistd.h>

#include "app/history.h"
#include "app/history_commands.h"
#include "app/privacy_command.h"
#include "backends/reference_store.h"
#include "facts/fact.h"
#include "policy/policy_source.h"

namespace sluice::app {

namespace {

const TimePoint kNow{std::chrono::hours{24 * 20'000}};

struct Folder {
  Folder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path = "/tmp/sluice-history-XXXXXX";
};

policy::ProgramPtr limits_policy() {
  Diagnostics diagnostics;
  const auto source = policy::load_policy_text(
      "test.yaml",
      "sluice: 1\npolicy: test\nrules:\n  - limit: per-sender\n    stage: rcpt\n    when: sender.address is set\n    count: messages\n    key: sender.address\n"
      "    max: 2/1h\n    then: defer 450 4.7.1\n",
      diagnostics);
  auto program = policy::compile(source, facts::built_in_vocabulary(), {}, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(program != nullptr);
  return program;
}

engine::DecisionRecord refusal(const std::string& id, const std::string& from = "<ann@far.example>",
                               const std::string& rule = "no-rdns", int code = 550) {
  engine::DecisionRecord r;
  r.at = kNow;
  r.sid = "01JDKQ0000000000000000" + std::string(4, 'A');
  r.id = id;
  r.stage = mail::Stage::Rcpt;
  const bool defers = code < 500;
  r.verdict.action = defers ? mail::Action::Defer : mail::Action::Reject;
  r.verdict.reply = *mail::Reply::make(code, {static_cast<std::uint16_t>(defers ? 4 : 5), 7, 1}, "No (id " + id + ")");
  r.rule = rule;
  r.policy = "test@1#5f3a";
  r.client = "203.0.113.9";
  r.from = from;
  r.to = "<bob@a.test>";
  r.trace = {{"friends", "exempt", mail::Stage::Connect, 'F', "", {{"client.ip", "203.0.113.9"}}},
             {rule, "rule", mail::Stage::Connect, 'T', "",
              {{"client.ip", "203.0.113.9"}, {"sender.address", from.substr(1, from.size() - 2)}, {"subject.text", "secret"}}}};
  return r;
}

engine::DecisionRecord accepted(const std::string& qid) {
  engine::DecisionRecord r;
  r.at = kNow;
  r.sid = "01JDKQ0000000000000000BBBB";
  r.qid = qid;
  r.stage = mail::Stage::End;
  r.client = "198.51.100.4";
  r.from = "<carl@near.example>";
  r.to = "<bob@a.test>";
  return r;
}

struct Kept {
  explicit Kept(const Folder& folder, HistoryOptions options = {}) {
    clock.set(kNow);
    options.folder = folder.path;
    options.write_interval = Duration{5};
    auto opened = History::open(options, clock, [this](const std::string& what) { said += what; });
    REQUIRE(opened.has_value());
    history = std::move(*opened);
  }
  nlohmann::json ask(ControlReply (*command)(const HistoryPlaces&, const nlohmann::json&), const nlohmann::json& a) {
    REQUIRE(history->flush(Duration{5'000}));
    last = command({*history, limits_policy(), clock.now()}, a);
    return nlohmann::json::parse(last.json);
  }
  VirtualClock clock;
  std::string said;
  std::unique_ptr<History> history;
  ControlReply last;
};

std::string all_bytes(const std::string& folder) {
  std::string bytes;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    bytes.append(std::istreambuf_iterator<char>(file), {});
  }
  return bytes;
}

}  // namespace

TEST_CASE("why: a refusal is found by its id as it is read out, by address, and after a restart") {
  Folder folder;
  {
    Kept kept(folder);
    kept.history->decided(refusal("4F7K2C"));
    CHECK(kept.ask(why_command, {{"what", "4f7k2c"}})["rule"] == "no-rdns");
  }
  Kept kept(folder);
  const auto found = kept.ask(why_command, {{"what", "(id 4F7K2C)"}});
  CHECK(kept.last.exit == 0);
  CHECK(found["policy"] == "test@1#5f3a");
  CHECK(found["trace"].size() == 2);
  CHECK(found["trace"][1]["values"]["sender.address"] == "ann@far.example");
  CHECK(kept.last.text.find("T  connect  rule     no-rdns") != std::string::npos);
  CHECK(kept.ask(why_command, {{"what", "<Ann@Far.Example>"}})["id"] == "4F7K2C");
  CHECK(kept.ask(why_command, {{"what", "bob@a.test"}})["id"] == "4F7K2C");
  kept.ask(why_command, {{"what", "ZZZZZZ"}});
  CHECK(kept.last.exit == 66);
}

TEST_CASE("why: an accepted message is found by its queue id and has no trace") {
  Folder folder;
  Kept kept(folder);
  kept.history->decided(accepted("4bQz0x1"));
  const auto found = kept.ask(why_command, {{"what", "4bQz0x1"}});
  CHECK(found["act"] == "continue");
  CHECK(found["trace"].empty());
  CHECK(kept.last.text.find("no trace was kept") != std::string::npos);
}

TEST_CASE("history: each filter takes what it says and nothing else") {
  Folder folder;
  Kept kept(folder);
  kept.history->decided(refusal("AAAAAA"));
  kept.history->decided(refusal("BBBBBB", "<dora@100%.example>", "per-sender", 450));
  kept.history->decided(accepted("4bQz0x1"));
  auto would = accepted("4bQz0x2");
  would.would = {{"new-rule", 550, "5.7.1"}};
  kept.history->decided(would);
  const auto count = [&](nlohmann::json filter) { return kept.ask(history_command, filter)["decisions"].size(); };
  CHECK(count({}) == 3);
  CHECK(count({{"all", "1"}}) == 4);
  CHECK(count({{"rule", "no-rdns"}}) == 1);
  CHECK(count({{"rule", "new-rule"}}) == 1);
  CHECK(count({{"rule", "new"}}) == 0);
  CHECK(count({{"code", "450"}}) == 1);
  CHECK(count({{"stage", "rcpt"}}) == 2);
  CHECK(count({{"from", "DORA"}}) == 1);
  CHECK(count({{"from", "100%."}}) == 1);
  CHECK(count({{"from", "1%e"}}) == 0);
  CHECK(count({{"client", "203.0.113.0/24"}}) == 2);
  CHECK(count({{"since", "1h"}}) == 3);
  kept.clock.advance(std::chrono::hours{2});
  CHECK(count({{"since", "1h"}}) == 0);
  CHECK(count({{"limit", "1"}}) == 1);
  for (const auto& [name, value] : {std::pair{"stage", "lunch"}, std::pair{"since", "soon"},
                                    std::pair{"client", "nobody"}, std::pair{"code", "x"}}) {
    kept.ask(history_command, {{name, value}});
    CHECK(kept.last.exit == 64);
  }
}

TEST_CASE("history: what comes after a key, oldest first, for those who follow") {
  Folder folder;
  Kept kept(folder);
  kept.history->decided(refusal("AAAAAA"));
  const auto first = kept.ask(history_command, {});
  const std::string key = first["decisions"][0]["key"];
  kept.history->decided(refusal("BBBBBB"));
  kept.history->decided(refusal("CCCCCC"));
  const auto next = kept.ask(history_command, {{"after", key}});
  REQUIRE(next["decisions"].size() == 2);
  CHECK(next["decisions"][0]["id"] == "BBBBBB");
  CHECK(next["decisions"][1]["id"] == "CCCCCC");
}

TEST_CASE("top: by rule, by sender, and limits alone") {
  Folder folder;
  Kept kept(folder);
  for (int i = 0; i < 3; ++i) kept.history->decided(refusal("AAAAAA"));
  kept.history->decided(refusal("BBBBBB", "<dora@far.example>", "per-sender", 450));
  kept.history->decided(accepted("4bQz0x1"));
  const auto rules = kept.ask(top_command, {})["top"];
  REQUIRE(rules.size() == 2);
  CHECK(rules[0] == nlohmann::json{{"rule", "no-rdns"}, {"refused", 3}});
  const auto senders = kept.ask(top_command, {{"by", "from"}})["top"];
  CHECK(senders[0] == nlohmann::json{{"from", "<ann@far.example>"}, {"refused", 3}, {"all", 3}});
  CHECK(senders.size() == 3);
  const auto limits = kept.ask(top_command, {{"by", "limit"}})["top"];
  REQUIRE(limits.size() == 1);
  CHECK(limits[0]["limit"] == "per-sender");
  kept.ask(top_command, {{"by", "moon"}});
  CHECK(kept.last.exit == 64);
}

TEST_CASE("history: what is older than history.keep goes, what is over history.size goes first") {
  Folder folder;
  HistoryOptions options;
  options.keep = Duration{3'600'000};
  Kept kept(folder, options);
  kept.history->decided(refusal("AAAAAA"));
  REQUIRE(kept.ask(history_command, {})["decisions"].size() == 1);
  kept.clock.advance(std::chrono::hours{2});
  auto later = refusal("BBBBBB");
  later.at = kept.clock.now();
  kept.history->decided(later);
  for (int i = 0; i < 500; ++i) {
    if (kept.ask(history_command, {})["decisions"].size() == 1) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(kept.ask(history_command, {})["decisions"][0]["id"] == "BBBBBB");
}

TEST_CASE("history: the file stays within its size while the newest stay") {
  Folder folder;
  auto file = HistoryFile::open(folder.path + "/history.db", {std::chrono::hours{24}, 2 << 20});
  REQUIRE(file.has_value());
  const Redaction none;
  for (int round = 0; round < 30; ++round) {
    std::vector<HistoryEntry> entries;
    for (int i = 0; i < 300; ++i) entries.push_back(make_history_entry(refusal("AAAAAA"), none));
    (void)file->add(entries);
    (void)file->trim(kNow);
  }
  std::vector<HistoryEntry> last{make_history_entry(refusal("ZZZZZZ"), none)};
  REQUIRE(file->add(last).has_value());
  CHECK(file->bytes() <= (2 << 20) + 64 * 4096);
  HistoryFilter newest;
  newest.limit = 1;
  CHECK(file->find(newest)->entries.at(0).id == "ZZZZZZ");
}

TEST_CASE("history: a file that is damaged is put aside and does not stop the service") {
  Folder folder;
  std::ofstream(folder.path + "/history.db") << std::string(8192, 'x');
  Kept kept(folder);
  CHECK(kept.said.find("put aside") != std::string::npos);
  kept.history->decided(refusal("AAAAAA"));
  CHECK(kept.ask(history_command, {})["decisions"].size() == 1);
  CHECK(std::filesystem::exists(folder.path + "/history.db.damaged"));
}

TEST_CASE("history: beyond its queue decisions are dropped and counted, the session never waits") {
  Folder folder;
  HistoryOptions options;
  Kept kept(folder, options);
  auto record = accepted("4bQz0x1");
  for (std::size_t i = 0; i < 3 * History::kMaxQueued; ++i) kept.history->decided(record);
  REQUIRE(kept.history->flush(Duration{60'000}));
  const auto report = kept.history->report();
  CHECK(report.written + report.dropped == 3 * History::kMaxQueued);
  CHECK(report.queued == 0);
}

TEST_CASE("redaction: no address of the mail stands in the file, and its owner still finds it by hash") {
  for (const char* word : {"hash", "domain"}) {
    INFO(word);
    Folder folder;
    HistoryOptions options;
    options.redact = word;
    Kept kept(folder, options);
    auto record = refusal("AAAAAA");
    record.auth = "ann";
    record.log = {"from ann@far.example"};
    record.verdict.reply = *mail::Reply::make(550, {5, 7, 1}, "bob@a.test is not here");
    kept.history->decided(record);
    const auto row = kept.ask(history_command, {})["decisions"].at(0);
    CHECK(std::string(row["from"]).find("@far.example>") != std::string::npos);
    const std::string bytes = all_bytes(folder.path);
    for (const char* secret : {"ann@", "bob@", "secret"}) {
      INFO(secret);
      CHECK(bytes.find(secret) == std::string::npos);
    }
    if (std::string_view(word) == "hash")
      CHECK(kept.ask(why_command, {{"what", "ann@far.example"}})["id"] == "AAAAAA");
  }
}

TEST_CASE("redaction: addresses are found in any text, quoted ones too") {
  const Redaction domain(Redaction::Keep::Domain);
  CHECK(domain.addresses("<ann@far.example>,<bob@a.test>,+3") == "<@far.example>,<@a.test>,+3");
  CHECK(domain.addresses("<\"a b\"@far.example>") == "<@far.example>");
  CHECK(domain.addresses("no address") == "no address");
  CHECK(domain.addresses("@@\"@") == "@@\"@");
  CHECK(domain.addresses(std::string(400, 'a') + "@far.example") == "@far.example");
  const Redaction hash(Redaction::Keep::Hash, {1, 2});
  CHECK(hash.addresses("Ann@far.example") == hash.addresses("ann@far.example"));
  CHECK(hash.addresses("bob@far.example") != hash.addresses("ann@far.example"));
}

TEST_CASE("redaction: an address is told from longer ones around it") {
  const std::string ann = "ann@far.example";
  for (const char* text : {"<Ann@Far.Example>", "per-sender sender.address=ann@far.example", "ann@far.example", "a,ann@far.example."})
    CHECK(mentions_address(text, ann));
  for (const char* text : {"<joann@far.example>", "<ann@far.example.net>", "<SRS0=x=y=near.example=ann@far.example>",
                           "<a.b=ann@far.example>", "<x+ann@far.example>", "<ann@far.examples>"})
    CHECK_FALSE(mentions_address(text, ann));
}

TEST_CASE("privacy: found and erased in the history and in the store, and nothing of others") {
  Folder folder;
  Kept kept(folder);
  kept.history->decided(refusal("AAAAAA"));
  kept.history->decided(refusal("BBBBBB", "<joann@far.example>"));
  VirtualClock clock(kNow);
  backends::ReferenceStore store(clock);
  engine::Ledger ledger;
  const auto program = limits_policy();
  const auto count = [&](const std::string& name) {
    backends::Commit commit;
    commit.id = std::hash<std::string>()(name) | 1;
    commit.key = program->rules()[0].limit->state_key + "/" + name;
    commit.name = "per-sender sender.address=" + name;
    commit.windows = {{2, std::chrono::hours{1}}};
    store.submit({commit}, [](const std::vector<backends::StateAnswer>&) {});
  };
  count("ann@far.example");
  count("joann@far.example");
  const PrivacyPlaces places{kept.history.get(), {store, ledger, program, kNow}};
  auto reply = privacy_command(places, {{"action", "find"}, {"ADDRESS", "Ann@Far.Example"}});
  auto found = nlohmann::json::parse(reply.json);
  CHECK(found["decisions"] == 1);
  REQUIRE(found["entries"].size() == 1);
  CHECK(found["entries"][0]["name"] == "per-sender sender.address=ann@far.example");
  privacy_command(places, {{"action", "erase"}, {"ADDRESS", "ann@far.example"}});
  found = nlohmann::json::parse(privacy_command(places, {{"action", "find"}, {"ADDRESS", "ann@far.example"}}).json);
  CHECK(found["decisions"] == 0);
  CHECK(found["entries"].empty());
  CHECK(kept.ask(why_command, {{"what", "joann@far.example"}})["id"] == "BBBBBB");
  CHECK(store.show({}).size() == 1);
  CHECK(all_bytes(folder.path).find("<ann@far") == std::string::npos);
  CHECK(privacy_command(places, {{"action", "erase"}, {"ADDRESS", "far.example"}}).exit == 64);
}

TEST_CASE("trace: packed and unpacked it is the same; whatever is read, nothing breaks") {
  const auto trace = refusal("AAAAAA").trace;
  const auto back = unpack_trace(pack_trace(trace, Redaction()));
  REQUIRE(back.size() == trace.size());
  for (std::size_t i = 0; i < trace.size(); ++i) {
    CHECK(back[i].rule == trace[i].rule);
    CHECK(back[i].result == trace[i].result);
    CHECK(back[i].values == trace[i].values);
  }
  for (const char* text : {"", "[]", "{\"r\":[[]]}", "{\"r\":[[\"T\",1,2,3,4,[9,-1,\"x\"]]],\"v\":7}", "{\"r\":5}"})
    CHECK(unpack_trace(text).size() <= 1);
}

TEST_CASE("trace: a long one loses rules that did not match, and keeps its end") {
  std::vector<engine::RuleTrace> trace;
  for (int i = 0; i < 2'000; ++i)
    trace.push_back({"rule-with-a-long-name-" + std::to_string(i), "rule", mail::Stage::Rcpt, 'F', "", {}});
  trace.push_back({"the-one", "rule", mail::Stage::Rcpt, 'T', "", {{"x", std::string(5000, 'v')}}});
  const std::string packed = pack_trace(trace, Redaction());
  CHECK(packed.size() <= kMaxTraceText);
  CHECK(unpack_trace(packed).back().rule == "the-one");
}

}  // namespace sluice::app
