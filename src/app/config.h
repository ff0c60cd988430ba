// The service configuration (config/sluice.yaml): where to listen, which policy, which backends,
// which caps. Every key, its default and its meaning stand in one table (config.cpp), read by the
// loader, the manual page and the hint for a mistyped key.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/stream.h"
#include "base/clock.h"
#include "base/diagnostic.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "engine/session.h"
#include "milter/listener.h"
#include "policy/vocabulary.h"

namespace sluice::app {

struct ServiceConfig {
  std::string file;
  std::vector<milter::ListenSpec> listen;
  std::string engine = "wire";  // wire | libmilter
  bool failure_accepts = false;
  Duration deadline{8'000}, message_deadline{60'000};
  std::vector<std::string> policies;  // files and folders, relative to the configuration's folder
  std::string store = "embedded";     // embedded | redis
  std::string state = "/var/lib/sluice";
  std::vector<std::string> redis_servers, redis_sentinels, redis_cluster;
  std::string redis_master, redis_username, redis_password_file;
  Duration redis_timeout{100};
  bool redis_names = true;
  std::string pepper_file;
  bool fold_local_part = true;
  std::string delimiter = "+";
  std::vector<std::string> dns_servers;
  Duration dns_timeout{2'000};
  std::int64_t dns_cache = 20'000;
  std::vector<std::string> dns_lists_without_test;  // zones (backends/dns_lists.h)
  std::string spam_engine;
  std::vector<backends::Endpoint> spam_addresses;
  Duration spam_timeout{5'000};
  std::int64_t spam_max_size = 500 * 1024, spam_connections = 32;
  std::vector<backends::Endpoint> virus_clamd;
  Duration virus_timeout{10'000};
  std::int64_t virus_buffer = 1 << 20, virus_connections = 32;
  std::string geoip_country, geoip_asn;
  bool callout = false;  // the section is there
  std::string callout_from = "<>", callout_helo;
  Duration callout_timeout{30'000}, callout_cache{86'400'000};
  std::int64_t callout_sessions = 2, callout_rate = 30, callout_port = 25;
  std::vector<Network> callout_allow;
  std::vector<policy::FactSignature> facts;
  std::vector<Network> trusted_relays;
  std::string authserv_id;
  bool dmarc_by_suffix_list = false;
  bool reply_id = true;
  std::string log_to = "stderr", log_format = "logfmt", log_level = "info";
  Duration history_keep{7 * 86'400'000LL};
  std::int64_t history_size = 1LL << 30;
  std::string history_redact = "none";
  std::string history_trace = "answers";
  std::string control = "/run/sluice/control.sock";
  std::string admin_listen;
  std::int64_t sessions = 10'000;
  engine::Resources resources;
};

inline constexpr const char* kDefaultConfig = "/etc/sluice/sluice.yaml";

struct ConfigKey {
  std::string_view path;      // "dns.timeout"
  std::string_view fallback;  // as written in the file
  std::string_view meaning;   // one sentence
};
// All keys, in the order of the shipped file.
std::vector<ConfigKey> config_keys();

// Adds every mistake to `diagnostics` (E101 syntax, E102 unknown key, E103 twice, E105 value). Use
// the result only when ok.
ServiceConfig load_config(const std::string& path, Diagnostics& diagnostics);

}  // namespace sluice::app
