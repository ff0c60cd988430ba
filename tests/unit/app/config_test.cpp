#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "app/config.h"

namespace sluice::app {

namespace {

struct Loaded {
  ServiceConfig config;
  Diagnostics diagnostics;
};

Loaded load(const std::string& text) {
  std::string path = (std::filesystem::temp_directory_path() / "sluice-config-XXXXXX").string();
  const int fd = ::mkstemp(path.data());
  REQUIRE(fd >= 0);
  ::close(fd);
  std::ofstream(path) << text;
  Loaded loaded;
  loaded.config = load_config(path, loaded.diagnostics);
  std::filesystem::remove(path);
  return loaded;
}

}  // namespace

TEST_CASE("config: defaults where nothing is said") {
  const auto l = load("policies: [site.yaml]\n");
  CHECK(l.diagnostics.ok());
  CHECK(l.config.listen.at(0).to_string() == "unix:/run/sluice/milter.sock");
  CHECK(l.config.deadline == Duration(8000));
  CHECK(l.config.store == "embedded");
  CHECK(std::filesystem::path(l.config.policies.at(0)).is_absolute());
}

TEST_CASE("config: nested keys, units and lists") {
  const auto l = load(
      "policies: /etc/p.yaml\ndeadline: 3s\ndns: {servers: [127.0.0.1], timeout: 500ms}\nresources: {body_bytes: 2MB, recipients: 50}\n"
      "trusted_relays: [192.0.2.0/24]\naddresses: {localpart: exact}\nfailure: accept\n");
  CHECK(l.diagnostics.render() == "");
  CHECK(l.config.dns_timeout == Duration(500));
  CHECK(l.config.resources.body_bytes == 2u << 20);
  CHECK(l.config.resources.recipients == 50);
  CHECK_FALSE(l.config.fold_local_part);
  CHECK(l.config.failure_accepts);
}

TEST_CASE("config: all mistakes at once, with a hint for a mistyped key") {
  const auto l = load("policies: [a.yaml]\ndns: {timout: 2s}\ndeadline: soon\nstore: mysql\nlisten: tcp:1\n");
  CHECK(l.diagnostics.errors() == 4);
  const std::string text = l.diagnostics.render();
  CHECK(text.find("unknown key `dns.timout`; did you mean `dns.timeout`?") != std::string::npos);
  CHECK(text.find("`soon` is no duration") != std::string::npos);
  CHECK(text.find("`mysql` is not one of embedded, redis") != std::string::npos);
}

TEST_CASE("config: a file that is not there, or is no map, is an error and not a crash") {
  Diagnostics diagnostics;
  load_config("/nonexistent/sluice.yaml", diagnostics);
  CHECK_FALSE(diagnostics.ok());
  CHECK_FALSE(load("- a\n- b\n").diagnostics.ok());
  CHECK_FALSE(load("").diagnostics.ok());
}

TEST_CASE("config: a key of the other store is said to have no effect, not swallowed") {
  const auto l = load("policies: [a.yaml]\npepper_file: /etc/sluice/pepper\n");
  CHECK(l.diagnostics.ok());
  CHECK(l.diagnostics.warnings() == 1);
  CHECK(l.diagnostics.render().find("`pepper_file` has no effect without store: redis") !=
        std::string::npos);
}

TEST_CASE("config: scanners have one address or several") {
  const auto one = load("policies: [a.yaml]\nscanners: {spam: {engine: spamd, address: '127.0.0.1:783'}}\n");
  CHECK(one.diagnostics.ok());
  REQUIRE(one.config.spam_addresses.size() == 1);
  CHECK(one.config.spam_addresses[0].to_string() == "127.0.0.1:783");
  const auto two = load(
      "policies: [a.yaml]\nscanners: {spam: {engine: own}, virus: {clamd: ['unix:/a', '[::1]:3310'], buffer: 256kB}}\n");
  CHECK(two.diagnostics.ok());
  CHECK(two.config.virus_clamd.size() == 2);
  CHECK(two.config.virus_buffer == 256 * 1024);
  for (const char* bad :
       {"{spam: {engine: rspamd}}", "{spam: {address: '127.0.0.1:783'}}", "{spam: {engine: own, address: '127.0.0.1:783'}}",
        "{virus: {clamd: clamav.example}}", "{virus: {clamd: 'unix:/a', buffer: 5m}}"})
    CHECK(load(std::string("policies: [a.yaml]\nscanners: ") + bad + "\n").diagnostics.errors() == 1);
}

TEST_CASE("config: the name of Authentication-Results is a host name, DMARC has two ways") {
  const auto l = load("policies: [a.yaml]\nauthserv_id: mx.Example.com\ndmarc: {org_domain: psl}\n");
  CHECK(l.diagnostics.render() == "");
  CHECK(l.config.authserv_id == "mx.Example.com");
  CHECK(l.config.dmarc_by_suffix_list);
  for (const char* line : {"authserv_id: 'mx example'", "authserv_id: 'mx; dkim=pass'", "dmarc: {org_domain: list}"})
    CHECK(load(std::string("policies: [a.yaml]\n") + line + "\n").diagnostics.errors() == 1);
}

TEST_CASE("config: what `run` would refuse is refused when it is read") {
  for (const char* line :
       {"engine: libmilter\nlisten: inet:0.0.0.0:7357",
        "engine: libmilter\nlisten: [unix:/a, unix:/b]",
        "engine: libmilter\nlisten: {at: inet:192.0.2.1:7357, allow_from: [192.0.2.0/24]}",
        "engine: libmilter\nlisten: {at: unix:/a, allow_users: [root]}",
        "engine: wire\nlisten: inet:0.0.0.0:7357",
        "listen: []",
        "dns: {servers: [resolver]}",
        "dns: {servers: [127.0.0.1:99999]}",
        "engine: wire\nlisten: {at: unix:/a, allow_from: [192.0.2.0/24]}",
        "engine: wire\nlisten: {at: inet:127.0.0.1:7357, allow_users: [root]}",
        "engine: wire\nlisten: {at: unix:/a, allow_users: [nobody-of-this-name]}"}) {
    INFO(line);
    CHECK(load(std::string("policies: [a.yaml]\n") + line + "\n").diagnostics.errors() == 1);
  }
}

TEST_CASE("config: resolvers are addresses with or without a port") {
  const auto loaded = load("policies: [a.yaml]\ndns: {servers: [127.0.0.1, \"127.0.0.1:5353\", \"::1\", \"[::1]:53\", \"fe80::1%eth0\"]}\n");
  CHECK(loaded.diagnostics.ok());
  CHECK(loaded.config.dns_servers.size() == 5);
}

TEST_CASE("config: the wire engine listens at several places and knows who may connect") {
  const auto l = load(
      "policies: [a.yaml]\nengine: wire\nlisten:\n  - unix:/run/a.sock\n"
      "  - {at: \"inet:192.0.2.1:7357\", allow_from: [192.0.2.0/24]}\n"
      "  - {at: \"unix:/run/b.sock\", allow_users: [root]}\n  - fd:3\n");
  CHECK(l.diagnostics.render() == "");
  REQUIRE(l.config.listen.size() == 4);
  CHECK(l.config.listen[1].allow_from.size() == 1);
  CHECK(l.config.listen[2].allow_users == std::vector<std::string>{"root"});
}

TEST_CASE("config: callouts are off without their section, and have caps and networks with it") {
  CHECK_FALSE(load("policies: [a.yaml]\n").config.callout);
  CHECK(load("policies: [a.yaml]\ncallout: {}\n").config.callout);
  const auto l = load(
      "policies: [a.yaml]\ncallout: {from: '<check@Here.example>', helo: mx.here.example, timeout: 5s, cache: 1h, "
      "sessions: 3, rate: 10, allow: [127.0.0.0/8], port: 2525}\n");
  CHECK(l.diagnostics.render().empty());
  CHECK(l.config.callout_from == "<check@here.example>");
  CHECK(l.config.callout_sessions == 3);
  CHECK(l.config.callout_allow.size() == 1);
  CHECK(l.config.callout_port == 2525);
  for (const char* bad : {"from: nobody", "from: '<a b@c.example>'", "helo: 'a b'", "port: 0", "port: 65536",
                          "allow: [here]", "rate: 0", "timeout: 0s"}) {
    INFO(bad);
    CHECK(load(std::string("policies: [a.yaml]\ncallout: {") + bad + "}\n").diagnostics.errors() == 1);
  }
}

TEST_CASE("config: store: redis says what it lacks, and keys of the other store are told") {
  const auto text = [](const std::string& lines) {
    return load("policies: [a.yaml]\n" + lines).diagnostics.render();
  };
  CHECK(text("store: redis\n").find("needs one of redis.servers, redis.sentinels") != std::string::npos);
  CHECK(text("store: redis\n").find("needs pepper_file") != std::string::npos);
  CHECK(text("store: redis\nredis: {sentinels: ['127.0.0.1:26379']}\n").find("go together") !=
        std::string::npos);
  CHECK(text("store: redis\nredis: {servers: ['127.0.0.1:6379']}\npepper_file: /nonexistent\n")
            .find("pepper_file: /nonexistent: No such file") != std::string::npos);
  CHECK(text("redis: {servers: ['127.0.0.1:6379']}\n")
            .find("`redis` has no effect without store: redis") != std::string::npos);
}

TEST_CASE("config: without a policy there is nothing to serve") { CHECK_FALSE(load("store: embedded\n").diagnostics.ok()); }

TEST_CASE("config: the shipped file has every key, and loads") {
  std::ifstream file(SLUICE_SOURCE_DIR "/config/sluice.yaml");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  for (const ConfigKey& key : config_keys()) {
    const std::string last(key.path.substr(key.path.rfind('.') == std::string_view::npos ? 0 : key.path.rfind('.') + 1));
    INFO(key.path);
    CHECK(text.find(last + ":") != std::string::npos);
  }
  Diagnostics diagnostics;
  load_config(SLUICE_SOURCE_DIR "/config/sluice.yaml", diagnostics);
  CHECK(diagnostics.render() == "");
}

}  // namespace sluice::app
