#include "app/config.h"

#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <functional>

#include "app/open_store.h"
#include "base/text.h"
#include "mail/address.h"
#include "mail/domain.h"
#include "policy/yaml_tree.h"

namespace sluice::app {
namespace {

using policy::YamlNode;

// Where a value goes, and the complaints on the way.
class Reader {
 public:
  Reader(ServiceConfig& target, Diagnostics& diagnostics)
      : config(target), diagnostics_(diagnostics) {}
  ServiceConfig& config;

  void complain(const YamlNode& node, std::string what) {
    diagnostics_.error("E105", node.span, std::move(what));
  }
  Diagnostics& diagnostics() { return diagnostics_; }

  std::string text(const YamlNode& node) {
    if (node.kind == YamlNode::Kind::Scalar) return node.scalar.text;
    if (!node.is_null()) complain(node, "one value is expected here, not a list or map");
    return {};
  }
  std::vector<std::string> texts(const YamlNode& node) {
    if (node.kind != YamlNode::Kind::Sequence) return {text(node)};
    std::vector<std::string> list;
    for (const YamlNode& item : node.items) list.push_back(text(item));
    return list;
  }

 private:
  Diagnostics& diagnostics_;
};

using Read = std::function<void(Reader&, const YamlNode&)>;

Read to(std::string ServiceConfig::*field) {
  return [field](Reader& r, const YamlNode& node) { r.config.*field = r.text(node); };
}
Read to(std::vector<std::string> ServiceConfig::*field) {
  return [field](Reader& r, const YamlNode& node) { r.config.*field = r.texts(node); };
}
// Paths are relative to the folder of the configuration.
Read to_path(std::string ServiceConfig::*field) {
  return [field](Reader& r, const YamlNode& node) {
    r.config.*field = (std::filesystem::path(r.config.file).parent_path() / r.text(node)).string();
  };
}
Read to(Duration ServiceConfig::*field) {
  return [field](Reader& r, const YamlNode& node) {
    const std::string text = r.text(node);
    if (const auto value = parse_duration(text); value && *value > Duration{0}) {
      r.config.*field = *value;
    } else {
      r.complain(node, "`" + text + "` is no duration; write 100ms, 8s, 5m, 1h or 7d");
    }
  };
}
Read to(bool ServiceConfig::*field, std::string_view yes = "true", std::string_view no = "false") {
  return [=](Reader& r, const YamlNode& node) {
    const std::string text = r.text(node);
    if (text != yes && text != no)
      r.complain(node, "`" + text + "` is not one of " + std::string(yes) + ", " + std::string(no));
    r.config.*field = text == yes;
  };
}
Read one_of(std::string ServiceConfig::*field, std::vector<std::string> words) {
  return [field, words = std::move(words)](Reader& r, const YamlNode& node) {
    r.config.*field = r.text(node);
    if (std::find(words.begin(), words.end(), r.config.*field) != words.end()) return;
    std::string list;
    for (const auto& word : words) list += (list.empty() ? "" : ", ") + word;
    r.complain(node, "`" + r.config.*field + "` is not one of " + list);
  };
}

std::optional<std::int64_t> parse_count(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value < 1)
    return std::nullopt;
  return value;
}
Read to(std::int64_t ServiceConfig::*field) {
  return [field](Reader& r, const YamlNode& node) {
    const std::string text = r.text(node);
    if (const auto value = parse_count(text)) {
      r.config.*field = *value;
    } else {
      r.complain(node, "`" + text + "` is no number from 1 on");
    }
  };
}
Read to_size(std::int64_t ServiceConfig::*field, std::int64_t least) {
  return [field, least](Reader& r, const YamlNode& node) {
    const std::string text = r.text(node);
    const auto value = parse_size(text);
    if (value && *value >= least) {
      r.config.*field = *value;
    } else {
      r.complain(node, "`" + text + "` is no size from " + render_size(least) + " on");
    }
  };
}
Read to_cap(std::size_t engine::Resources::*field, bool bytes = false) {
  return [field, bytes](Reader& r, const YamlNode& node) {
    const std::string text = r.text(node);
    const auto value = bytes ? parse_size(text) : parse_count(text);
    if (value && *value > 0) {
      r.config.resources.*field = static_cast<std::size_t>(*value);
    } else {
      r.complain(node, "`" + text + "` is no " +
                           (bytes ? "size; write 256kB or 8MB" : "number from 1 on"));
    }
  };
}

Read to_size(std::int64_t ServiceConfig::*field) {
  return [field](Reader& r, const YamlNode& node) {
    const std::string text = r.text(node);
    if (const auto value = parse_size(text); value && *value > 0) {
      r.config.*field = *value;
    } else {
      r.complain(node, "`" + text + "` is no size; write 256kB or 8MB");
    }
  };
}
Read to_endpoints(std::vector<backends::Endpoint> ServiceConfig::*field) {
  return [field](Reader& r, const YamlNode& node) {
    for (const std::string& text : r.texts(node)) {
      if (auto endpoint = backends::parse_endpoint(text)) {
        (r.config.*field).push_back(std::move(*endpoint));
      } else {
        r.complain(node, "`" + text + "`: " + endpoint.error().what);
      }
    }
  };
}

std::vector<Network> networks(Reader& r, const YamlNode& node) {
  std::vector<Network> list;
  for (const std::string& text : r.texts(node)) {
    if (const auto network = Network::parse(text)) {
      list.push_back(*network);
    } else {
      r.complain(node, "`" + text + "` is no network; write 192.0.2.0/24");
    }
  }
  return list;
}

void read_listener(Reader& r, const YamlNode& node) {
  const YamlNode* at = node.kind == YamlNode::Kind::Map ? node.find("at") : &node;
  if (at == nullptr) return r.complain(node, "a listener needs `at:`");
  auto spec = milter::parse_listen(r.text(*at));
  if (!spec) return r.complain(*at, spec.error().what);
  if (node.kind == YamlNode::Kind::Map) {
    for (const auto& [key, value] : node.entries) {
      if (key.text == "allow_from") spec->allow_from = networks(r, value);
      if (key.text == "allow_users") spec->allow_users = r.texts(value);
      if (key.text != "allow_from" && key.text != "allow_users" && key.text != "at")
        r.diagnostics().error("E102", key.whole(), "unknown key `" + key.text + "` in a listener");
    }
  }
  r.config.listen.push_back(std::move(*spec));
}

// "127.0.0.1", "127.0.0.1:53", "[::1]:53".
void read_dns_servers(Reader& r, const YamlNode& node) {
  r.config.dns_servers = r.texts(node);
  for (const std::string& text : r.config.dns_servers) {
    const bool has_interface = text.find('%') != std::string::npos;  // fe80::1%eth0, for c-ares to judge
    if (!has_interface && !IpAddress::parse(text) && !milter::parse_listen("inet:" + text))
      r.complain(node, "`" + text + "` is no resolver; write ADDRESS or ADDRESS:PORT");
  }
}

void read_listen(Reader& r, const YamlNode& node) {
  r.config.listen.clear();
  if (node.kind != YamlNode::Kind::Sequence) return read_listener(r, node);
  if (node.items.empty()) r.complain(node, "`listen` names no place");
  for (const YamlNode& item : node.items) read_listener(r, item);
}

void read_admin(Reader& r, const YamlNode& node) {
  r.config.admin_listen = r.text(node);
  const auto place = milter::parse_listen(r.config.admin_listen);
  if (!place) return r.complain(node, place.error().what);
  if (place->is_open_to_others())
    r.complain(node, r.config.admin_listen + ": what it shows is for this host only; listen on loopback or on a "
                                             "unix socket");
}

void read_policies(Reader& r, const YamlNode& node) {
  r.config.policies.clear();
  const auto folder = std::filesystem::path(r.config.file).parent_path();
  for (const std::string& path : r.texts(node))
    r.config.policies.push_back((folder / path).string());
}

void read_delay(Reader& r, const YamlNode& node) {
  if (const auto value = parse_duration(r.text(node))) {
    r.config.resources.delay = *value;
  } else {
    r.complain(node, "this is no duration; write 20s");
  }
}

constexpr std::string_view kFactKeys[] = {"type", "args", "http", "timeout", "cache"};

// facts: {crm.vip: {type: bool, args: […], http: …, …}}
void read_facts(Reader& r, const YamlNode& node) {
  if (node.kind != YamlNode::Kind::Map) return r.complain(node, "facts is a map of names");
  for (const auto& [name, body] : node.entries) {
    const YamlNode* type = body.kind == YamlNode::Kind::Map ? body.find("type") : nullptr;
    const auto parsed = type != nullptr ? policy::parse_type(r.text(*type)) : std::nullopt;
    if (!parsed) {
      r.complain(body, "fact `" + name.text + "` needs a type: bool, int, float, text, …");
      continue;
    }
    for (const auto& [key, value] : body.entries) {
      if (std::find(std::begin(kFactKeys), std::end(kFactKeys), key.text) == std::end(kFactKeys))
        r.diagnostics().error("E102", key.whole(), "unknown key `" + key.text + "` in a fact");
    }
    policy::FactSignature signature;
    signature.name = name.text;
    signature.type = *parsed;
    if (const YamlNode* args = body.find("args")) signature.arguments = r.texts(*args);
    r.config.facts.push_back(std::move(signature));
  }
}

void read_callout_from(Reader& r, const YamlNode& node) {
  const std::string text = r.text(node);
  const auto path =
      mail::parse_path(text, mail::Utf8::Refused, mail::SourceRoute::Refused);
  if (!path || (*path && (*path)->domain.empty()))
    return r.complain(node, "`" + text + "` is no sender; write <> or <callout@example.com>");
  r.config.callout_from = "<" + (*path ? (*path)->to_string() : std::string()) + ">";
}

void read_callout_helo(Reader& r, const YamlNode& node) {
  r.config.callout_helo = r.text(node);
  if (!r.config.callout_helo.empty() && !mail::is_valid_helo(r.config.callout_helo))
    r.complain(node, "`" + r.config.callout_helo + "` is no name for HELO; write mx.example.com");
}

void read_callout_port(Reader& r, const YamlNode& node) {
  const auto port = parse_count(r.text(node));
  if (!port || *port > 65'535) return r.complain(node, "this is no port; write 25");
  r.config.callout_port = *port;
}

// It stands in front of the field and is what forged ones are known by, so it must be a plain name.
void read_authserv_id(Reader& r, const YamlNode& node) {
  const std::string text = r.text(node);
  if (!mail::to_ascii_domain(text))
    return r.complain(node, "`" + text + "` is no host name; write mx.example.com");
  r.config.authserv_id = text;
}

struct Row {
  ConfigKey key;
  Read read;
};

const std::vector<Row>& rows() {
  using C = ServiceConfig;
  using R = engine::Resources;
  static const std::vector<Row> all = {
      {{"listen", "unix:/run/sluice/milter.sock",
        "Where the MTA connects: unix:PATH, inet:HOST:PORT or fd:3; or {at, allow_from, allow_users}."},
       read_listen},
      {{"engine", "wire", "The front end: wire or libmilter."},
       one_of(&C::engine, {"wire", "libmilter"})},
      {{"failure", "tempfail", "What an internal error answers: tempfail or accept."},
       to(&C::failure_accepts, "accept", "tempfail")},
      {{"deadline", "8s", "The longest wait for one answer, over all look-ups."}, to(&C::deadline)},
      {{"message_deadline", "60s", "The longest wait for one message, over all its answers."},
       to(&C::message_deadline)},
      {{"policies", "", "Policy files and folders; together they are one policy."}, read_policies},
      {{"store", "embedded", "Where limits and greylists are kept: embedded or redis."},
       one_of(&C::store, {"embedded", "redis"})},
      {{"state", "/var/lib/sluice", "Folder of the embedded store."}, to_path(&C::state)},
      {{"redis.servers", "", "Redis servers, HOST:PORT."}, to(&C::redis_servers)},
      {{"redis.sentinels", "", "Redis Sentinels, HOST:PORT; with redis.master."},
       to(&C::redis_sentinels)},
      {{"redis.master", "", "Name of the master that the Sentinels watch."}, to(&C::redis_master)},
      {{"redis.cluster", "", "Nodes of a Redis Cluster, HOST:PORT."}, to(&C::redis_cluster)},
      {{"redis.username", "", "User of the Redis ACL."}, to(&C::redis_username)},
      {{"redis.password_file", "", "File that holds the password alone."},
       to_path(&C::redis_password_file)},
      {{"redis.timeout", "100ms", "The longest wait for one round trip."}, to(&C::redis_timeout)},
      {{"redis.names", "true", "Readable names stand beside the hashed keys."},
       to(&C::redis_names)},
      {{"pepper_file", "", "At least 32 random bytes with which keys are hashed."},
       to_path(&C::pepper_file)},
      {{"addresses.localpart", "fold", "fold: ann@ and Ann@ are one; exact: two."},
       to(&C::fold_local_part, "fold", "exact")},
      {{"addresses.delimiter", "+", "What begins a tag in a local part."}, to(&C::delimiter)},
      {{"dns.servers", "", "Resolvers; empty: those of /etc/resolv.conf."}, read_dns_servers},
      {{"dns.timeout", "2s", "The longest wait for one question."}, to(&C::dns_timeout)},
      {{"dns.cache", "20000", "Answers kept."}, to(&C::dns_cache)},
      {{"dns.lists_without_test", "",
        "Zones of DNS lists that hold no test entry (RFC 5782 5): believed without it."},
       to(&C::dns_lists_without_test)},
      {{"scanners.spam.engine", "", "rspamd, spamd or own."},
       one_of(&C::spam_engine, {"rspamd", "spamd", "own"})},
      {{"scanners.spam.address", "", "ADDRESS:PORT or unix:PATH of the spam scanner; or a list."},
       to_endpoints(&C::spam_addresses)},
      {{"scanners.spam.timeout", "5s", "The longest wait for one answer of the spam scanner."},
       to(&C::spam_timeout)},
      {{"scanners.spam.max_size", "500kB", "Bytes of a message given to it; the rest is cut."},
       to_size(&C::spam_max_size)},
      {{"scanners.spam.connections", "32", "Messages at the spam scanner at once."},
       to(&C::spam_connections)},
      {{"scanners.virus.clamd", "", "ADDRESS:PORT or unix:PATH of clamd; or a list."},
       to_endpoints(&C::virus_clamd)},
      {{"scanners.virus.timeout", "10s", "The longest wait for one answer of clamd."},
       to(&C::virus_timeout)},
      {{"scanners.virus.buffer", "1MB", "Bytes of a message held until clamd has taken them."},
       to_size(&C::virus_buffer)},
      {{"scanners.virus.connections", "32", "Messages at clamd at once."},
       to(&C::virus_connections)},
      {{"geoip.country", "", "MaxMind DB file for client.country."}, to_path(&C::geoip_country)},
      {{"geoip.asn", "", "MaxMind DB file for client.asn."}, to_path(&C::geoip_asn)},
      {{"callout.from", "<>", "Sender that a callout uses."}, read_callout_from},
      {{"callout.helo", "", "Name that a callout gives; empty: the name of this host."},
       read_callout_helo},
      {{"callout.timeout", "30s", "The longest time of a callout, also after the deadline."},
       to(&C::callout_timeout)},
      {{"callout.cache", "1d", "How long it is kept that an address exists; other outcomes shorter."},
       to(&C::callout_cache)},
      {{"callout.sessions", "2", "Callouts to one mail server or domain at once."},
       to(&C::callout_sessions)},
      {{"callout.rate", "30", "Callouts to one mail server or domain a minute."},
       to(&C::callout_rate)},
      {{"callout.allow", "", "Private or own networks that may be asked; else none is."},
       [](Reader& r, const YamlNode& node) { r.config.callout_allow = networks(r, node); }},
      {{"callout.port", "25", "Port of the mail servers that are asked."}, read_callout_port},
      {{"facts", "", "Facts of this site, declared: {NAME: {type, args, http, timeout, cache}}; tests give them, nobody is asked for them yet."},
       read_facts},
      {{"trusted_relays", "", "Own relays in front of this host."},
       [](Reader& r, const YamlNode& node) { r.config.trusted_relays = networks(r, node); }},
      {{"authserv_id", "",
        "Name of this host in the Authentication-Results that it adds; empty: it adds none."},
       read_authserv_id},
      {{"dmarc.org_domain", "tree-walk",
        "How DMARC finds the organizational domain: tree-walk (RFC 9989) or psl."},
       to(&C::dmarc_by_suffix_list, "psl", "tree-walk")},
      {{"reply.id", "true", "Refusals end with (id …), the id= of their log line."}, to(&C::reply_id)},
      {{"log.to", "stderr", "stderr, syslog or a file."}, to(&C::log_to)},
      {{"log.format", "logfmt", "logfmt or json."}, one_of(&C::log_format, {"logfmt", "json"})},
      {{"log.level", "info", "error, warn, info or debug."},
       one_of(&C::log_level, {"error", "warn", "info", "debug"})},
      {{"history.keep", "7d", "How long decisions are kept."},
       to(&C::history_keep)},
      {{"history.size", "1GB", "The most that the history takes on disk; then the oldest go."},
       to_size(&C::history_size, 16LL << 20)},
      {{"history.redact", "none", "What is kept of addresses: none (all of it), hash or domain."},
       one_of(&C::history_redact, {"none", "hash", "domain"})},
      {{"history.trace", "answers",
        "Whose rules and values are kept: answers (refusals and shadow hits), all, or none."},
       one_of(&C::history_trace, {"answers", "all", "none"})},
      {{"control", "/run/sluice/control.sock", "Socket of `sluice status`, `reload` and the like."},
       to_path(&C::control)},
      {{"admin.listen", "", "inet:127.0.0.1:PORT or unix:PATH for metrics, health and the page."},
       read_admin},
      {{"resources.sessions", "10000", "Sessions open at once."}, to(&C::sessions)},
      {{"resources.recipients", "2000", "Recipients of one message."}, to_cap(&R::recipients)},
      {{"resources.headers", "1000", "Header fields looked at."}, to_cap(&R::headers)},
      {{"resources.header_bytes", "256kB", "Bytes of header fields looked at."},
       to_cap(&R::header_bytes, true)},
      {{"resources.body_bytes", "8MB", "Bytes of a body kept for rules that read it."},
       to_cap(&R::body_bytes, true)},
      {{"resources.argument_bytes", "4kB", "Bytes of one HELO, MAIL or RCPT argument."},
       to_cap(&R::argument_bytes, true)},
      {{"resources.delay", "20s", "The longest delay of an answer."}, read_delay},
      {{"resources.delayed_sessions", "200", "Answers delayed at once."},
       to_cap(&R::delayed_sessions)},
  };
  return all;
}

void unknown_key(Reader& reader, const std::string& path, const policy::Scalar& key) {
  std::vector<std::string_view> names;
  for (const Row& row : rows()) names.push_back(row.key.path);
  const std::string_view near = nearest(path, names);
  std::string message = "unknown key `" + path + "`";
  if (!near.empty()) message += "; did you mean `" + std::string(near) + "`?";
  reader.diagnostics().error("E102", key.whole(), std::move(message));
}

bool is_group(const std::string& path) {
  return std::any_of(rows().begin(), rows().end(), [&](const Row& row) {
    return row.key.path.substr(0, path.size() + 1) == path + ".";
  });
}

void read_map(Reader& reader, const YamlNode& map, const std::string& prefix) {
  for (const auto& [key, value] : map.entries) {
    const std::string path = prefix + key.text;
    if (prefix.empty() && path.compare(0, 2, "x-") == 0) continue;
    const auto row = std::find_if(rows().begin(), rows().end(),
                                  [&](const Row& r) { return r.key.path == path; });
    if (row != rows().end()) {
      row->read(reader, value);
    } else if (is_group(path) && value.kind == YamlNode::Kind::Map) {
      read_map(reader, value, path + ".");
    } else if (is_group(path)) {
      reader.complain(value, "`" + path + "` is a map of keys");
    } else {
      unknown_key(reader, path, key);
    }
  }
}

void check_listeners(Reader& reader, const YamlNode& root) {
  using Kind = milter::ListenSpec::Kind;
  const ServiceConfig& config = reader.config;
  const YamlNode* listen = root.find("listen");
  if (listen == nullptr) return;
  const bool is_libmilter = config.engine == "libmilter";
  if (is_libmilter && config.listen.size() > 1)
    reader.complain(*listen, "libmilter listens at one place; name one, or leave out engine: libmilter");
  for (const auto& spec : config.listen) {
    if (is_libmilter && (!spec.allow_from.empty() || !spec.allow_users.empty()))
      reader.complain(*listen,
                      "libmilter cannot tell who connects, so allow_from and allow_users cannot be "
                      "kept; leave out engine: libmilter");
    else if (spec.is_open_to_others() && spec.allow_from.empty())
      reader.complain(*listen, spec.to_string() +
                                   ": whoever connects can claim any login; " +
                                   (is_libmilter ? "listen on a unix socket or on loopback"
                                                 : "name the MTA's hosts in allow_from"));
    for (const std::string& name : spec.allow_users) {
      if (::getpwnam(name.c_str()) == nullptr)
        reader.complain(*listen, "allow_users names `" + name + "`, which is no user of this host");
    }
    if (spec.kind == Kind::Inet && !spec.allow_users.empty())
      reader.complain(*listen, spec.to_string() + ": allow_users is for unix sockets");
    if (spec.kind == Kind::Unix && !spec.allow_from.empty())
      reader.complain(*listen, spec.to_string() + ": allow_from is for TCP; a unix socket has "
                                                  "allow_users");
  }
}

void check_scanners(Reader& reader, const YamlNode& root) {
  const YamlNode* scanners = root.find("scanners");
  if (scanners == nullptr) return;
  const ServiceConfig& config = reader.config;
  const bool asks_spam = !config.spam_engine.empty() && config.spam_engine != "own";
  if (asks_spam && config.spam_addresses.empty())
    reader.complain(*scanners,
                    "`scanners.spam.engine: " + config.spam_engine + "` needs an address");
  if (!asks_spam && !config.spam_addresses.empty())
    reader.complain(*scanners,
                    "`scanners.spam.address` needs `engine: rspamd` or `engine: spamd`");
}

// What belongs to the other store is said, what a start would refuse is refused.
void check_store(Reader& reader, const YamlNode& root) {
  if (reader.config.store == "redis") {
    for (auto& mistake : redis_mistakes(reader.config))
      reader.complain(*root.find("store"), std::move(mistake));
    return;
  }
  for (const char* key : {"redis", "pepper_file"}) {
    if (const YamlNode* node = root.find(key))
      reader.diagnostics().warning("W107", node->span,
                                   std::string("`") + key + "` has no effect without store: redis");
  }
}

// What only shows when all keys are read.
void check_whole(Reader& reader, const YamlNode& root) {
  const ServiceConfig& config = reader.config;
  if (config.policies.empty()) reader.complain(root, "`policies` names no policy file");
  check_store(reader, root);
  check_listeners(reader, root);
  check_scanners(reader, root);
}

}  // namespace

std::vector<ConfigKey> config_keys() {
  std::vector<ConfigKey> keys;
  for (const Row& row : rows()) keys.push_back(row.key);
  return keys;
}

ServiceConfig load_config(const std::string& path, Diagnostics& diagnostics) {
  ServiceConfig config;
  config.file = std::filesystem::absolute(path).string();
  auto source = policy::read_source(path);
  if (!source) {
    diagnostics.error("E101", {std::make_shared<SourceFile>(path, ""), 1, 1, 1},
                      source.error().what);
    return config;
  }
  const YamlNode root = policy::parse_yaml(*source, diagnostics);
  Reader reader(config, diagnostics);
  if (root.kind != YamlNode::Kind::Map) {
    reader.complain(root, "the service configuration is a map of keys");
    return config;
  }
  read_map(reader, root, "");
  config.callout = root.find("callout") != nullptr;
  if (config.listen.empty())
    config.listen.push_back(*milter::parse_listen("unix:/run/sluice/milter.sock"));
  check_whole(reader, root);
  return config;
}

}  // namespace sluice::app
