// redis_probe - the Redis client by hand: calls once, calls at a rate, says how it is.
//
//   redis_probe TIMEOUT_MS (servers|sentinels=MASTER|cluster) ADDRESS,… [USER PASSWORD_FILE]
//
// Reads lines from standard input and answers each with one line:
//   call NAME KEY [ARG …]    a script of those below -> "answered VALUE", "not-done WHY", "unknown
//   WHY" load RATE MILLISECONDS   so many `count` calls a second; answers when it is over, with
//   JSON:
//                            what became of the calls, and the longest time that one took
//   mark NAME                load: the moment is named, and counted from
//   health                   JSON
// A load runs beside the other lines. Log lines of the client go to standard error.
#include <atomic>
#include <chrono>
#include <future>
#include <iostream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "backends/redis_client.h"
#include "base/text.h"

using namespace sluice;
using namespace sluice::backends;
using nlohmann::json;
using Steady = std::chrono::steady_clock;

namespace {

const std::map<std::string, RedisScript>& scripts() {
  static const std::map<std::string, RedisScript> all = {
      {"count", make_redis_script("local n = redis.call('HINCRBY', KEYS[1], 'n', 1) "
                                  "redis.call('PEXPIRE', KEYS[1], 600000) return n")},
      {"read", make_redis_script("return redis.call('HGET', KEYS[1], 'n')")},
      {"fill", make_redis_script("return redis.call('SET', KEYS[1], string.rep('x', 1000))")},
      {"hold",
       make_redis_script("local t = redis.call('TIME') local e = t[1] * 1000 + ARGV[1] repeat "
                         "t = redis.call('TIME') until t[1] * 1000 > e return 1")},
      {"two", make_redis_script("return redis.call('HGET', KEYS[1], 'n') == "
                                "redis.call('HGET', KEYS[2], 'n')")},
      {"list", make_redis_script("return redis.call('LPUSH', KEYS[1], 'x')")},
      {"flush", make_redis_script("return redis.call('FLUSHALL')")},
  };
  return all;
}

std::mutex output;
void say(const std::string& line) {
  const std::lock_guard lock(output);
  std::cout << line << std::endl;
}

std::string outcome_text(const RedisResult& result) {
  if (result.outcome == RedisOutcome::NotDone) return "not-done " + result.why;
  if (result.outcome == RedisOutcome::Unknown) return "unknown " + result.why;
  const RedisReply& reply = result.reply;
  if (reply.kind == RedisReply::Kind::Integer) return "answered " + std::to_string(reply.integer);
  if (reply.kind == RedisReply::Kind::Error) return "answered error " + reply.text;
  return "answered " + reply.text;
}

std::int64_t micros(Steady::duration d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d).count();
}

// How late a thread of this process came to its turn at the most: what a busy machine adds to any time.
class Metronome {
 public:
  ~Metronome() { stop(); }
  std::int64_t stop() {
    is_over_ = true;
    if (thread_.joinable()) thread_.join();
    return latest_;
  }

 private:
  void run() {
    while (!is_over_) {
      const auto due = Steady::now() + Duration{5};
      std::this_thread::sleep_until(due);
      latest_ = std::max(latest_, micros(Steady::now() - due));
    }
  }
  std::int64_t latest_ = 0;  // microseconds
  std::atomic<bool> is_over_{false};
  std::thread thread_{[this] { run(); }};
};

// Calls at a steady rate, whatever becomes of them.
class Load {
 public:
  Load(RedisClient& client, double rate, Duration length)
      : client_(client), rate_(rate), length_(length), thread_([this] { run(); }) {}
  ~Load() { thread_.join(); }
  void mark() { marked_ = micros(Steady::now() - begun_); }

 private:
  struct Call {
    std::int64_t begun = 0, took = -1;
    RedisOutcome outcome = RedisOutcome::NotDone;
  };

  void run() {
    const auto count =
        static_cast<std::size_t>(rate_ * static_cast<double>(length_.count()) / 1000);
    calls_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      std::this_thread::sleep_until(begun_ + std::chrono::microseconds(static_cast<std::int64_t>(
                                                 static_cast<double>(i) * 1e6 / rate_)));
      one(i);
    }
    for (int i = 0; i < 30'000 && done_ < count; ++i) std::this_thread::sleep_for(Duration{1});
    say(report().dump());
  }

  // A few hundred keys, so that every master of a Cluster has some.
  void one(std::size_t i) {
    const auto begun = Steady::now();
    RedisCall call{
        &scripts().at("count"), {"sl:{" + std::to_string(i % 300) + "}:load"}, {}, false};
    client_.call({std::move(call)}, [this, i, begun](const std::vector<RedisResult>& results) {
      calls_[i] = {micros(begun - begun_), micros(Steady::now() - begun), results[0].outcome};
      if (results[0].outcome != RedisOutcome::Answered) {
        const std::lock_guard lock(mutex_);
        if (whys_.size() < 40) ++whys_[results[0].why];
      }
      ++done_;
    });
  }

  // From the mark on: the first call that was not answered, and the last.
  json report() {
    const std::int64_t stall = metronome_.stop();
    std::int64_t first_bad = -1, last_bad = -1, longest = 0, longest_refusal = 0;
    std::size_t answered = 0, not_done = 0, unknown = 0, lost = 0;
    for (const Call& call : calls_) {
      if (call.took < 0) {
        ++lost;
        continue;
      }
      longest = std::max(longest, call.took);
      if (call.outcome == RedisOutcome::Answered) {
        ++answered;
        continue;
      }
      ++(call.outcome == RedisOutcome::Unknown ? unknown : not_done);
      if (call.outcome == RedisOutcome::NotDone)
        longest_refusal = std::max(longest_refusal, call.took);
      if (first_bad < 0) first_bad = call.begun;
      last_bad = call.begun + call.took;
    }
    json result = {{"calls", calls_.size()},
                   {"answered", answered},
                   {"not_done", not_done},
                   {"unknown", unknown},
                   {"never_done", lost},
                   {"stall_ms", static_cast<double>(stall) / 1000},
                   {"longest_ms", static_cast<double>(longest) / 1000},
                   {"longest_refusal_ms", static_cast<double>(longest_refusal) / 1000}};
    result["bad_for_ms"] = first_bad < 0 ? 0 : static_cast<double>(last_bad - first_bad) / 1000;
    if (marked_ >= 0)
      result["until_well_ms"] =
          last_bad < marked_ ? 0 : static_cast<double>(last_bad - marked_) / 1000;
    const std::lock_guard lock(mutex_);
    result["whys"] = whys_;
    return result;
  }

  RedisClient& client_;
  const double rate_;
  const Duration length_;
  const Steady::time_point begun_ = Steady::now();
  std::atomic<std::int64_t> marked_{-1};
  std::vector<Call> calls_;
  std::atomic<std::size_t> done_{0};
  std::mutex mutex_;
  std::map<std::string, std::size_t> whys_;
  Metronome metronome_;
  std::thread thread_;
};

json health_json(const RedisHealth& health) {
  json nodes = json::array();
  for (const RedisNodeHealth& node : health.nodes)
    nodes.push_back({{"at", node.at},
                     {"role", node.role},
                     {"breaker", node.breaker},
                     {"connected", node.connected},
                     {"why", node.why}});
  return {{"available", health.available},
          {"degraded", health.degraded},
          {"what", health.what},
          {"calls", health.calls},
          {"errors", health.errors},
          {"redirects", health.redirects},
          {"reconnects", health.reconnects},
          {"not_done", health.not_done},
          {"unknown", health.unknown},
          {"moved", health.moved},
          {"asked", health.asked},
          {"tried_again", health.tried_again},
          {"followed", health.followed},
          {"scripts_sent", health.scripts_sent},
          {"nodes", nodes}};
}

std::string call_once(RedisClient& client, std::istringstream& words) {
  std::string name, word;
  words >> name;
  RedisCall call{&scripts().at(name), {}, {}, name == "read"};
  const std::size_t keys = name == "two" ? 2 : 1;
  while (words >> word) (call.keys.size() < keys ? call.keys : call.args).push_back(word);
  std::promise<std::string> done;
  client.call({std::move(call)},
              [&](const auto& results) { done.set_value(outcome_text(results[0])); });
  return done.get_future().get();
}

RedisOptions read_options(int argc, char** argv) {
  RedisOptions options;
  options.timeout = Duration{std::stol(argv[1])};
  const std::string kind = argv[2];
  std::vector<std::string> addresses;
  for (const std::string_view each : split(argv[3], ',')) addresses.emplace_back(each);
  if (kind == "servers") options.servers = addresses;
  if (kind == "cluster") options.cluster = addresses;
  if (kind.substr(0, 10) == "sentinels=") {
    options.sentinels = addresses;
    options.master = kind.substr(10);
  }
  if (argc > 5) {
    options.username = argv[4];
    options.password_file = argv[5];
  }
  options.log = [](const std::string& line) { std::cerr << line << std::endl; };
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 64;
  auto client = open_redis_client(read_options(argc, argv));
  if (!client) {
    std::cerr << client.error().what << "\n";
    return 78;
  }
  std::unique_ptr<Load> load;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "call") say(call_once(**client, words));
    if (command == "health") say(health_json((*client)->health()).dump());
    if (command == "mark" && load) load->mark();
    if (command == "load") {
      double rate = 0;
      Duration::rep length = 0;
      words >> rate >> length;
      load.reset();
      load = std::make_unique<Load>(**client, rate, Duration{length});
    }
  }
  load.reset();
  return 0;
}
