// Redis: does it answer, whom does it let in, may our user do what it must and no more, does the
// server keep what it is given.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "app/doctor.h"
#include "app/redis_talk.h"
#include "backends/redis_address.h"
#include "backends/redis_credentials.h"
#include "backends/redis_keys.h"
#include "backends/redis_slot.h"
#include "backends/redis_slot_map.h"
#include "base/text.h"

namespace sluice::app {
namespace {

using backends::RedisReply;
using Kind = RedisReply::Kind;
using Weight = Finding::Weight;

constexpr double kNearlyFull = 0.9;

// What our scripts use, tried on one key that is gone at the end; the names of what the user may
// not. Without `set` the rest is not tried: it could leave something behind.
constexpr std::string_view kRightsScript = R"(
local key, denied = KEYS[1], {}
local function try(right, ...)
  local answer = redis.pcall(...)
  local err = type(answer) == 'table' and answer.err or ''
  if string.find(err, 'user executing the script', 1, true) or string.find(err, 'NOPERM', 1, true) then
    denied[#denied + 1] = right
  end
end
try('set', 'SET', key, '', 'PX', '1000')
if #denied > 0 then return denied end
try('time', 'TIME')
try('info', 'INFO', 'server')
try('scan', 'SCAN', '0', 'COUNT', '1')
try('get', 'GET', key)
for right, words in pairs({
  pexpire = {'1000'}, hget = {'f'}, hset = {'f', 'v'}, hdel = {'f'}, hgetall = {}, hexists = {'f'},
  hincrby = {'f', '1'}, hlen = {}, hscan = {'0'}, zadd = {'1', 'm'}, zrem = {'m'}, zcount = {'0', '1'},
  zrange = {'0', '1'}, zrangebyscore = {'0', '1'}, zrevrange = {'0', '1'}, zscore = {'m'},
  zremrangebyscore = {'0', '1'}, rpush = {'v'}, lrange = {'0', '1'}, ltrim = {'0', '1'}, llen = {}}) do
  try(right, string.upper(right), key, unpack(words))
end
try('del', 'DEL', key)
table.sort(denied)
return denied
)";

bool is_error(const RedisReply& reply, std::string_view beginning) {
  return reply.kind == Kind::Error && reply.text.compare(0, beginning.size(), beginning) == 0;
}

using Facts = std::map<std::string, std::string, std::less<>>;

// "name:value" lines.
Facts facts_of(const std::string& info) {
  Facts facts;
  for (const std::string_view line : split(info, '\n')) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || line.front() == '#') continue;
    auto value = line.substr(colon + 1);
    if (!value.empty() && value.back() == '\r') value.remove_suffix(1);
    facts.emplace(line.substr(0, colon), value);
  }
  return facts;
}

std::string fact(const Facts& facts, std::string_view name) {
  const auto found = facts.find(name);
  return found == facts.end() ? std::string() : found->second;
}

double number(const Facts& facts, std::string_view name) {
  const std::string text = fact(facts, name);
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool is_local(const backends::Endpoint& at) {
  if (!at.unix_path.empty()) return true;
  const std::string text = at.address.to_string();
  return text.compare(0, 4, "127.") == 0 || text == "::1";
}

// One server, from the connection to what it keeps.
class ServerCheck {
 public:
  enum class Part : std::uint8_t { Alone, BehindSentinels, InCluster };

  ServerCheck(const ServiceConfig& config, backends::Endpoint at, Part part, Findings& findings)
      : config_(config), at_(std::move(at)), part_(part), findings_(findings) {}

  void run() {
    check_stranger();
    auto talk = log_in();
    if (!talk) return;
    const std::string user = check_width(*talk);
    const auto info = talk->ask({"INFO"});
    if (info && info->kind == Kind::Text) {
      const Facts facts = facts_of(info->text);
      check_part(*talk, facts);
      check_memory(facts);
      check_disk(facts);
      if (fact(facts, "role") == "slave") return;  // takes no writes
    } else {
      tell(Weight::Note, "this user may not look at its memory (INFO)",
           "redis-cli config get maxmemory-policy should say noeviction or volatile-ttl");
    }
    check_rights(*talk, user);
  }

 private:
  void tell(Weight weight, const std::string& what, std::string cure = {}) {
    findings_.push_back({weight, "redis", at_.to_string() + ": " + what, std::move(cure)});
  }

  void check_stranger() {
    auto open = RedisTalk::connect(at_);
    if (!open || is_local(at_)) return;
    const auto said = open->ask({"PING"});
    if (said && said->text == "PONG")
      tell(Weight::Bad, "lets everybody in without a password",
           "ACL SETUSER default off, and a user of its own with redis.username and "
           "redis.password_file");
  }

  std::optional<RedisTalk> log_in() {
    auto talk = RedisTalk::connect(at_);
    if (!talk) {
      tell(Weight::Bad, "does not answer: " + talk.error().what,
           "systemctl status redis-server; a firewall?");
      return std::nullopt;
    }
    backends::RedisCredentials credentials{config_.redis_username, config_.redis_password_file, {}};
    if (!credentials.is_empty()) {
      if (const auto read = credentials.read(); !read) {
        tell(Weight::Bad, read.error().what, "the password alone in a file, mode 0640");
        return std::nullopt;
      }
    }
    const auto said =
        credentials.is_empty() ? talk->ask({"PING"}) : talk->send(credentials.auth_command());
    if (!said) {
      tell(Weight::Bad, "does not answer: " + said.error().what, "systemctl status redis-server");
      return std::nullopt;
    }
    if (said->kind == Kind::Error) {
      tell(Weight::Bad, "the user or password is wrong: " + log_value(said->text),
           "ACL SETUSER in redis");
      return std::nullopt;
    }
    return std::move(*talk);
  }

  // Who we are, and whether we may do what nobody needs. The user's name.
  std::string check_width(RedisTalk& talk) {
    const auto who = talk.ask({"ACL", "WHOAMI"});
    const std::string user = who && who->kind == Kind::Text   ? who->text
                             : config_.redis_username.empty() ? "default"
                                                              : config_.redis_username;
    std::vector<std::string> more;
    const auto other = talk.ask({"GET", "another-program:key"});
    if (other && !is_error(*other, "NOPERM")) more.emplace_back("read keys that are not Sluice's");
    const auto settings = talk.ask({"CONFIG", "GET", "port"});
    if (settings && settings->kind == Kind::Array)
      more.emplace_back("change the server's settings");
    if (more.empty()) return user;
    tell(is_local(at_) ? Weight::Note : Weight::Warn,
         fmt::format("the user {} may {}", log_value(user), fmt::join(more, " and ")),
         "a user of its own with the rights of redis-users.acl");
    return user;
  }

  void check_part(RedisTalk& talk, const Facts& facts) {
    const bool is_replica = fact(facts, "role") == "slave",
               in_cluster = fact(facts, "cluster_enabled") == "1";
    if (part_ != Part::InCluster && in_cluster)
      return tell(Weight::Bad, "belongs to a Cluster", "name its nodes in redis.cluster");
    if (part_ == Part::InCluster)
      return in_cluster ? check_slots(talk)
                        : tell(Weight::Bad, "is no node of a Cluster",
                               "cluster-enabled yes, or redis.servers");
    if (is_replica)
      return tell(Weight::Warn,
                  fmt::format("is a replica of {}:{}: not used until it is a master",
                              fact(facts, "master_host"), fact(facts, "master_port")),
                  "name its master, or use redis.sentinels");
    if (part_ == Part::BehindSentinels) check_replicas(facts);
  }

  void check_replicas(const Facts& facts) {
    if (number(facts, "connected_slaves") < 1)
      tell(Weight::Warn, "has no replica: when it fails nobody takes over",
           "replicaof on another server");
    // The field is there when min-replicas-to-write is set.
    if (fact(facts, "min_slaves_good_slaves").empty())
      tell(Weight::Warn,
           "min-replicas-to-write 0: a master that was replaced goes on accepting calls, which are "
           "lost",
           "min-replicas-to-write 1 and min-replicas-max-lag 2 on each server");
  }

  void check_slots(RedisTalk& talk) {
    const auto said = talk.ask({"CLUSTER", "SLOTS"});
    if (said && is_error(*said, "NOPERM"))
      return tell(Weight::Bad,
                  fmt::format("the user {} may not: cluster|slots", config_.redis_username),
                  "ACL SETUSER " + config_.redis_username + " +cluster|slots");
    const auto ranges = said ? backends::parse_redis_slots(*said, at_) : permanent("no answer");
    if (!ranges) return tell(Weight::Bad, ranges.error().what, "redis-cli --cluster check");
    int served = 0;
    for (const auto& range : *ranges) served += range.last - range.first + 1;
    if (served < backends::kRedisSlots)
      tell(Weight::Bad, fmt::format("{} slots have no server", backends::kRedisSlots - served),
           "redis-cli --cluster fix " + at_.to_string());
  }

  void check_memory(const Facts& facts) {
    const std::string policy = fact(facts, "maxmemory_policy");
    const double most = number(facts, "maxmemory"), used = number(facts, "used_memory");
    if (most == 0)
      return tell(Weight::Note,
                  "no maxmemory: a flood of forged senders may take all of the host's",
                  "redis-cli config set maxmemory 512mb (and in redis.conf)");
    if (policy != "noeviction" && policy != "volatile-ttl")
      tell(Weight::Bad,
           fmt::format("maxmemory-policy {}: a flood of forged senders throws live limits away",
                       policy),
           "redis-cli config set maxmemory-policy volatile-ttl (and in redis.conf)");
    else
      tell(Weight::Good, "maxmemory-policy " + policy);
    if (used > kNearlyFull * most)
      tell(Weight::Warn, fmt::format("{:.0f} % of maxmemory are used", 100 * used / most),
           "more maxmemory; docs/redis-state.md has the sizes");
  }

  void check_disk(const Facts& facts) {
    const auto failed = [&](std::string_view name) {
      const std::string status = fact(facts, name);
      return !status.empty() && status != "ok";
    };
    if (failed("aof_last_write_status") || failed("rdb_last_bgsave_status"))
      tell(Weight::Bad, "its last write to disk failed: it takes no calls that change something",
           "df -h; its log");
    if (fact(facts, "aof_enabled") == "0")
      tell(
          Weight::Warn,
          "appendonly no: a restart forgets what came since the last snapshot, greylist passes too",
          "redis-cli config set appendonly yes (and in redis.conf)");
  }

  // In a Cluster a group of keys that lives on this server is found by trying.
  std::optional<RedisReply> try_rights(RedisTalk& talk) {
    for (unsigned group = 0; group < backends::kRedisGroups; ++group) {
      const std::string key = backends::RedisKeys::clock(group) + ":doctor";
      auto said = talk.ask({"EVAL", kRightsScript, "1", key});
      if (!said) return std::nullopt;
      if (!is_error(*said, "MOVED") && !is_error(*said, "ASK")) return std::move(*said);
    }
    return std::nullopt;
  }

  void check_rights(RedisTalk& talk, const std::string& user) {
    std::vector<std::string> denied;
    for (const std::vector<std::string_view>& words :
         {std::vector<std::string_view>{"ROLE"},
          {"EVALSHA", std::string_view("0000000000000000000000000000000000000000"), "0"}})
      if (const auto said = talk.ask(words); said && is_error(*said, "NOPERM"))
        denied.push_back(words.front() == "ROLE" ? "role" : "evalsha");
    if (part_ == Part::InCluster)
      if (const auto said = talk.ask({"ASKING"}); said && is_error(*said, "NOPERM"))
        denied.emplace_back("asking");
    const auto tried = try_rights(talk);
    if (tried && is_error(*tried, "NOPERM")) {
      const bool is_key = tried->text.find("key") != std::string::npos;
      denied.emplace_back(is_key ? "~sl:*" : "eval");
    } else if (tried && tried->kind == Kind::Error) {
      tell(Weight::Warn, "the rights cannot be tried: " + log_value(tried->text),
           "the server's log");
    }
    if (tried && tried->kind == Kind::Array)
      for (const RedisReply& right : tried->items) denied.push_back(right.text);
    if (denied.empty())
      return tell(Weight::Good, fmt::format("the user {} may do what it needs", log_value(user)));
    std::vector<std::string> given;
    for (const std::string& right : denied)
      given.push_back(right.front() == '~' ? right : "+" + right);
    tell(Weight::Bad,
         fmt::format("the user {} may not: {}", log_value(user), fmt::join(denied, " ")),
         fmt::format("ACL SETUSER {} {}, then ACL SAVE", user, fmt::join(given, " ")));
  }

  const ServiceConfig& config_;
  const backends::Endpoint at_;
  const Part part_;
  Findings& findings_;
};

std::optional<backends::Endpoint> find_server(const std::string& text, std::uint16_t port,
                                              Findings& findings) {
  auto found = backends::find_redis_servers({text}, port);
  if (found) return found->front();
  findings.push_back({Weight::Bad, "redis", text + ": " + found.error().what,
                      "an address, or a name that is known"});
  return std::nullopt;
}

// Where one Sentinel says that the master is.
std::optional<backends::Endpoint> ask_sentinel(const ServiceConfig& config,
                                               const backends::Endpoint& at, Findings& findings) {
  const auto tell = [&](Weight weight, const std::string& what, std::string cure) {
    findings.push_back(
        {weight, "redis", "Sentinel " + at.to_string() + ": " + what, std::move(cure)});
    return std::nullopt;
  };
  auto talk = RedisTalk::connect(at);
  if (!talk)
    return tell(Weight::Warn, "does not answer: " + talk.error().what,
                "systemctl status redis-sentinel");
  backends::RedisCredentials credentials{config.redis_username, config.redis_password_file, {}};
  auto said = talk->ask({"SENTINEL", "get-master-addr-by-name", config.redis_master});
  if (said && is_error(*said, "NOAUTH") && !credentials.is_empty() && credentials.read()) {
    (void)talk->send(credentials.auth_command());
    said = talk->ask({"SENTINEL", "get-master-addr-by-name", config.redis_master});
  }
  if (!said) return tell(Weight::Warn, "does not answer: " + said.error().what, "its log");
  if (said->kind == Kind::Error)
    return tell(Weight::Bad, log_value(said->text), "the last line of redis-sentinel.conf");
  if (said->kind != Kind::Array || said->items.size() != 2)
    return tell(Weight::Bad, "watches no master called " + config.redis_master,
                "redis.master; redis-cli sentinel masters");
  std::int64_t port = 0;
  const std::string& text = said->items[1].text;
  std::from_chars(text.data(), text.data() + text.size(), port);
  const auto master = backends::told_endpoint(said->items[0].text, port, at);
  if (!master)
    return tell(Weight::Bad, "names the master " + log_value(said->items[0].text),
                "sentinel announce-hostnames no");
  return master;
}

void check_sentinels(const ServiceConfig& config, Findings& findings) {
  std::map<std::string, std::pair<backends::Endpoint, std::size_t>> named;
  for (const std::string& text : config.redis_sentinels) {
    const auto at = find_server(text, backends::kSentinelPort, findings);
    const auto master = at ? ask_sentinel(config, *at, findings) : std::nullopt;
    if (master) ++named.try_emplace(master->to_string(), *master, 0).first->second.second;
  }
  if (config.redis_sentinels.size() < 3)
    findings.push_back(
        {Weight::Note, "redis",
         fmt::format("{} Sentinels: a majority needs three", config.redis_sentinels.size()),
         "one on each of three hosts"});
  if (named.empty())
    findings.push_back({Weight::Bad, "redis", "no Sentinel names the master " + config.redis_master,
                        "redis.sentinels, redis.master"});
  if (named.size() > 1)
    findings.push_back({Weight::Warn, "redis", "the Sentinels name different masters",
                        "redis-cli -p 26379 sentinel masters on each"});
  for (const auto& [text, master] : named)
    ServerCheck(config, master.first, ServerCheck::Part::BehindSentinels, findings).run();
}

}  // namespace

void check_redis(const Patient& patient, Findings& findings) {
  const ServiceConfig& config = patient.config;
  if (config.store != "redis") return;
  using Part = ServerCheck::Part;
  for (const auto& [servers, part] : {std::pair(&config.redis_servers, Part::Alone),
                                      std::pair(&config.redis_cluster, Part::InCluster)})
    for (const std::string& server : *servers)
      if (const auto at = find_server(server, backends::kRedisPort, findings))
        ServerCheck(config, *at, part, findings).run();
  if (!config.redis_sentinels.empty()) check_sentinels(config, findings);
}

}  // namespace sluice::app
