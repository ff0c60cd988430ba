#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/commands.h"
#include "app/service.h"
#include "app/service_backends.h"
#include "backends/embedded_store.h"

namespace sluice::app {

namespace {

class Folder {
 public:
  Folder() { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string write(const char* name, const std::string& text) const {
    const std::string path = path_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "sluice-check-XXXXXX").string();
};

}  // namespace

TEST_CASE("check: with --json a byte that is no UTF-8 is an answer as all others") {
  const Folder folder;
  CheckOptions options;
  options.policies = {folder.write("p.yaml", "sluice: 1\npolicy: p\nversion: \"1\"\nrules:\n"
                                             "  - rule: \"a\xff\"\n    stage: mail\n"
                                             "    when: tls.active\n    then: reject 550\n")};
  options.json = true;
  std::ostringstream out, err;
  CHECK(check_command(options, out, err) == kConfig);
  const auto answer = nlohmann::json::parse(out.str(), nullptr, false);
  REQUIRE(answer.is_object());
  CHECK(answer["diagnostics"].at(0)["code"] == "E106");
}

TEST_CASE("check: files that a start cannot do without are looked for") {
  const Folder folder;
  folder.write("p.yaml", "sluice: 1\npolicy: p\nversion: \"1\"\nrules: []\n");
  const auto check = [&](const std::string& line) {
    CheckOptions options;
    options.config = folder.write("sluice.yaml", "policies: [p.yaml]\n" + line + "\n");
    std::ostringstream out, err;
    const int code = check_command(options, out, err);
    return std::to_string(code) + " " + err.str();
  };
  CHECK(check("log: {to: stderr}").substr(0, 2) == "0 ");
  CHECK(check("geoip: {country: not-there.mmdb}").find("geoip.country: ") != std::string::npos);
  CHECK(check("geoip: {asn: not-there.mmdb}").substr(0, 3) == "78 ");
  CHECK(check("log: {to: /nobody/has/this/log}").find("log.to: /nobody/has/this is no folder") !=
        std::string::npos);
}

TEST_CASE("check: a damaged state file is found, with the way to put it aside, and left as it is") {
  const Folder folder;
  folder.write("p.yaml", "sluice: 1\npolicy: p\nversion: \"1\"\nrules: []\n");
  const std::string state = folder.write("place", "");
  std::filesystem::remove(state);
  CheckOptions options;
  options.config = folder.write("sluice.yaml", "policies: [p.yaml]\nstate: " + state + "\n");
  const auto check = [&] {
    std::ostringstream out, err;
    const int code = check_command(options, out, err);
    return std::to_string(code) + " " + err.str();
  };
  CHECK(check() == "0 ");
  CHECK_FALSE(std::filesystem::exists(state));
  VirtualClock clock;
  auto store = backends::EmbeddedStore::open(state, clock);
  REQUIRE(store);
  store->reset();
  CHECK(check() == "0 ");
  const std::string damaged = std::string(9000, 'x');
  folder.write("place/state.db", damaged);
  std::filesystem::remove(state + "/state.db-wal");
  const std::string found = check();
  CHECK(found.substr(0, 3) == "78 ");
  CHECK(found.find("state: " + state + "/state.db is damaged") != std::string::npos);
  CHECK(found.find("cd " + state + " && mkdir damaged && mv state.db* damaged") != std::string::npos);
  CHECK(std::filesystem::file_size(state + "/state.db") == damaged.size());
  // A restart would not mend it.
  ServiceConfig config;
  config.state = state;
  const auto opened = open_backends(config, clock);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().cause == Cause::Config);
}

TEST_CASE("service: a folder of the state that cannot be used may be there at the next start") {
  ServiceConfig config;
  config.state = "/dev/null/state";
  const VirtualClock clock;
  const auto opened = open_backends(config, clock);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().cause == Cause::Temporary);
}

TEST_CASE("check: --show with --json has the effective policy as a text") {
  const Folder folder;
  CheckOptions options;
  options.policies = {folder.write("p.yaml", "sluice: 1\npolicy: p\nversion: \"1\"\nrules: []\n")};
  options.show = true;
  std::ostringstream text, json, err;
  CHECK(check_command(options, text, err) == kOk);
  CHECK(text.str().find("policy: p") != std::string::npos);
  options.json = true;
  CHECK(check_command(options, json, err) == kOk);
  CHECK(nlohmann::json::parse(json.str())["policy"] == text.str());
}

TEST_CASE("commands: with --json what is wrong with their words and files is JSON too") {
  const auto error_of = [](const std::string& out) {
    const auto answer = nlohmann::json::parse(out, nullptr, false);
    REQUIRE(answer.is_object());
    return answer["error"].get<std::string>();
  };
  std::ostringstream explained, replayed, shadowed, err;
  ExplainOptions explain;
  explain.client = "nowhere";
  explain.json = true;
  CHECK(explain_command(explain, explained, err) == kUsage);
  CHECK(error_of(explained.str()) == "sluice: --client `nowhere` is no address");
  ReplayOptions replay;
  replay.sources = {"/nobody/has/this"};
  replay.json = true;
  CHECK(replay_command(replay, replayed, err) == kNoInput);
  CHECK(error_of(replayed.str()).find("/nobody/has/this") != std::string::npos);
  ShadowOptions shadow;
  shadow.from = "/nobody/has/that";
  shadow.json = true;
  CHECK(shadow_command(shadow, shadowed, err) == kNoInput);
  CHECK(error_of(shadowed.str()).find("/nobody/has/that") != std::string::npos);
  // The text for people comes as ever.
  CHECK(err.str().find("sluice: --client") != std::string::npos);
  CHECK(err.str().find("/nobody/has/that") != std::string::npos);
  std::ostringstream bare;
  shadow.json = false;
  CHECK(shadow_command(shadow, bare, err) == kNoInput);
  CHECK(bare.str().empty());
}

TEST_CASE("service commands: with --json a service that does not answer is JSON too") {
  ServiceOptions options;
  options.control = "/tmp/sluice-nobody-here.sock";
  options.command = "status";
  options.json = true;
  std::ostringstream out, err;
  CHECK(service_command(options, out, err) == kUnavailable);
  const auto answer = nlohmann::json::parse(out.str(), nullptr, false);
  REQUIRE(answer.is_object());
  CHECK(answer["error"].get<std::string>().find("no service answers at") != std::string::npos);
}

}  // namespace sluice::app
