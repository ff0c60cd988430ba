// How long a large policy takes to load, and what it holds: 10,000 rules, a file of a million
// addresses and one of 100,000 networks, loaded as `sluice check` would, then reloaded with
// unchanged lists; and what a rule costs that is evaluated and does not match.
//
//   load_policy_bench [RULES] [ADDRESSES] [NETWORKS]
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "policy/list_pool.h"
#include "policy/program.h"

namespace fs = std::filesystem;
using namespace sluice;
using namespace sluice::policy;

namespace {

Vocabulary vocabulary() {
  std::vector<FactSignature> facts;
  const auto add = [&facts](const char* name, const char* type, mail::Stage from,
                            mail::Scope scope) {
    FactSignature fact;
    fact.name = name;
    fact.type = *parse_type(type);
    fact.available_from = from;
    fact.scope = scope;
    facts.push_back(fact);
  };
  add("client.ip", "ip", mail::Stage::Connect, mail::Scope::Connection);
  add("sender.address", "address?", mail::Stage::Mail, mail::Scope::Transaction);
  add("sender.domain", "domain?", mail::Stage::Mail, mail::Scope::Transaction);
  add("auth.user", "text?", mail::Stage::Mail, mail::Scope::Transaction);
  add("rcpt.address", "address", mail::Stage::Rcpt, mail::Scope::Recipient);
  add("rcpt.domain", "domain", mail::Stage::Rcpt, mail::Scope::Recipient);
  add("rcpt.count", "int", mail::Stage::Rcpt, mail::Scope::Recipient);
  return Vocabulary(std::move(facts));
}

void write_rules(std::ofstream& out, int count) {
  for (int i = 0; i < count; ++i) {
    const char* shapes[] = {
        "  - rule: r{0}\n    stage: rcpt\n    when: sender.domain == \"d{0}.example\" and "
        "client.ip in $nets\n    then: reject 550 5.7.1\n    text: \"no mail from "
        "{{sender.domain}} here\"\n",
        "  - rule: r{0}\n    stage: rcpt\n    when: rcpt.address in $people and rcpt.count > {0}\n "
        "   then: defer 452 4.5.3\n",
        "  - rule: r{0}\n    stage: mail\n    when: sender.address =~ /^bounce-{0}[0-9]+@/i or "
        "sender.domain under \"x{0}.example\"\n    then: reject 550 5.7.1\n",
        "  - limit: r{0}\n    stage: rcpt\n    when: auth.user is set and rcpt.domain == "
        "\"d{0}.example\"\n    key: auth.user\n    count: recipients\n    max: {1}/1h\n"};
    out << fmt::format(fmt::runtime(shapes[i % 4]), i, i + 1);
  }
}

std::size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  in >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

struct Loaded {
  ProgramPtr program;
  double seconds = 0, cpu_seconds = 0;
};

Loaded load(const std::string& path, const Vocabulary& words,
            const std::shared_ptr<ListPool>& pool) {
  const auto begin = std::chrono::steady_clock::now();
  const std::clock_t cpu_begin = std::clock();
  Diagnostics diagnostics;
  Loaded result;
  {
    const PolicySource source = load_policy({path}, diagnostics);
    CompileOptions options;
    options.pool = pool;
    result.program = compile(source, words, options, diagnostics);
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  result.cpu_seconds = static_cast<double>(std::clock() - cpu_begin) / CLOCKS_PER_SEC;
  if (!result.program) fmt::print(stderr, "{}", diagnostics.render());
  return result;
}

// One recipient of one message, everything known.
class OneMessage final : public FactSource {
 public:
  explicit OneMessage(const Program& program) {
    for (const UsedFact& fact : program.facts()) {
      const Kind kind = fact.signature.type.kind;
      values_.push_back(kind == Kind::Ip       ? Value(*IpAddress::parse("203.0.113.9"))
                        : kind == Kind::Int    ? Value(3)
                        : kind == Kind::Domain ? Value("sender.example")
                                               : Value("somebody@sender.example"));
    }
  }
  const Value* fact(FactIndex index, std::uint32_t) override { return &values_[index]; }
  std::uint32_t recipient_count() override { return 0; }
  const Value* header(std::string_view) override { return nullptr; }
  const Value* contains(ListId, const Value&) override { return nullptr; }
  const Value* seen(std::uint32_t, std::span<const Value>, Duration) override { return nullptr; }
  std::string template_word(std::string_view) override { return {}; }

 private:
  std::vector<Value> values_;
};

// Nanoseconds of processor time for one rule, over all rules.
double evaluate(const Program& program) {
  constexpr int kRounds = 50;
  OneMessage facts(program);
  std::size_t matched = 0;
  const std::clock_t begin = std::clock();
  for (int round = 0; round < kRounds; ++round)
    for (const Rule& rule : program.rules())
      matched += program.test(rule.condition, facts).truth == Truth::True ? 1 : 0;
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  if (matched > program.rules().size() * kRounds) std::abort();  // keeps the loop
  return seconds * 1e9 / kRounds / static_cast<double>(program.rules().size());
}

int number(char** argv, int argc, int at, int otherwise) {
  return argc > at ? std::atoi(argv[at]) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const int rules = number(argv, argc, 1, 10'000), addresses = number(argv, argc, 2, 1'000'000),
            networks = number(argv, argc, 3, 100'000);
  std::string shape = (fs::temp_directory_path() / "load-policy-XXXXXX").string();
  const fs::path folder = mkdtemp(shape.data());
  {
    std::ofstream people(folder / "people");
    for (int i = 0; i < addresses; ++i)
      people << "user" << i << "@d" << i % 5000 << ".example.com\n";
    std::ofstream nets(folder / "nets");
    for (int i = 0; i < networks; ++i)
      nets << 1 + i / 65536 % 200 << '.' << i / 256 % 256 << '.' << i % 256 << ".0/" << 24 + i % 9
           << '\n';
    std::ofstream policy(folder / "policy.yaml");
    policy << "sluice: 1\npolicy: large\nlists:\n  people: {type: address, file: people}\n  nets: "
              "{type: cidr, file: nets}\nrules:\n";
    write_rules(policy, rules);
  }
  std::uintmax_t data = 0;
  for (const auto& file : fs::directory_iterator(folder)) data += file.file_size();
  const Vocabulary words = vocabulary();
  const auto pool = std::make_shared<ListPool>();
  const std::size_t before = resident_bytes();
  const Loaded first = load((folder / "policy.yaml").string(), words, pool);
  malloc_trim(0);
  const std::size_t one = resident_bytes();
  const Loaded second = load((folder / "policy.yaml").string(), words, pool);
  malloc_trim(0);
  const std::size_t two = resident_bytes();
  const double mb = 1 << 20;
  fmt::print("rules {} addresses {} networks {} data_mb {:.1f}\n", rules, addresses, networks,
             static_cast<double>(data) / mb);
  fmt::print("load_s {:.2f} cpu_s {:.2f} held_mb {:.1f} times_data {:.2f}\n", first.seconds,
             first.cpu_seconds, static_cast<double>(one - before) / mb,
             static_cast<double>(one - before) / static_cast<double>(data));
  fmt::print("reload_s {:.2f} cpu_s {:.2f} held_more_mb {:.1f}\n", second.seconds,
             second.cpu_seconds, (static_cast<double>(two) - static_cast<double>(one)) / mb);
  if (first.program) fmt::print("evaluate_ns_per_rule {:.0f}\n", evaluate(*first.program));
  fs::remove_all(folder);
  return first.program && second.program ? 0 : 1;
}
