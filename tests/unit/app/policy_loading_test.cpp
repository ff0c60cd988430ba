#include "app/policy_loading.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

namespace sluice::app {

TEST_CASE("policy: facts that the service cannot answer are told once, with the rule that names them") {
  const std::string path = std::filesystem::temp_directory_path() /
                           ("sluice-unanswered-" + std::to_string(::getpid()) + ".yaml");
  std::ofstream(path) << "sluice: 1\npolicy: p\nrules:\n"
                         "  - rule: virus\n    stage: end\n    when: virus.found\n"
                         "    then: reject 554\n"
                         "  - rule: abroad\n    stage: mail\n"
                         "    when: client.country == \"XX\" and tls.active\n"
                         "    then: reject 550\n";
  ServiceConfig config;
  config.policies = {path};
  LoadedPolicy loaded = load_program(config);
  warn_of_unanswered_facts(config, loaded);
  config.geoip_country = "country.mmdb";
  LoadedPolicy with_countries = load_program(config);
  warn_of_unanswered_facts(config, with_countries);
  std::filesystem::remove(path);
  REQUIRE(loaded.program != nullptr);
  CHECK(loaded.diagnostics.warnings() == 2);
  CHECK(loaded.diagnostics.render().find("`virus.found` is always unknown") != std::string::npos);
  CHECK(with_countries.diagnostics.warnings() == 1);
}

TEST_CASE("policy: a rule on a callout is told of when the service makes none") {
  const std::string path = std::filesystem::temp_directory_path() /
                           ("sluice-callout-" + std::to_string(::getpid()) + ".yaml");
  std::ofstream(path) << "sluice: 1\npolicy: p\nrules:\n"
                         "  - rule: gone\n    stage: mail\n    when: sender.deliverable == refused\n"
                         "    then: reject 510 5.1.0\n";
  ServiceConfig config;
  config.policies = {path};
  LoadedPolicy without = load_program(config);
  warn_of_unanswered_facts(config, without);
  config.callout = true;
  LoadedPolicy with = load_program(config);
  warn_of_unanswered_facts(config, with);
  std::filesystem::remove(path);
  CHECK(without.diagnostics.render().find("`callout` is not set") != std::string::npos);
  CHECK(with.diagnostics.render().empty());
}

}  // namespace sluice::app
