#include "app/generation.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "policy/list_pool.h"

namespace sluice::app {

namespace {

// A policy with a list in a file beside it, and what a service holds of it.
class Served {
 public:
  Served() {
    REQUIRE(::mkdtemp(folder_.data()) != nullptr);
    write_list("203.0.113.9\n");
    write_policy("1", "reject 554");
    config_.policies = {folder_ + "/p.yaml"};
    const auto lists = std::make_shared<policy::ListPool>();
    LoadedPolicy first = load_program(config_, lists);
    REQUIRE(first.program);
    generations_ = std::make_unique<Generations>(config_, std::move(first), lists);
  }
  ~Served() { std::filesystem::remove_all(folder_); }
  void write_list(const std::string& text) const { std::ofstream(folder_ + "/blocked") << text; }
  void write_policy(const std::string& version, const std::string& then) const {
    std::ofstream(folder_ + "/p.yaml")
        << "sluice: 1\npolicy: p\nversion: \"" << version
        << "\"\nlists: {blocked: {type: cidr, file: blocked}}\nrules:\n"
           "  - rule: r\n    stage: connect\n    when: client.ip in $blocked\n    then: "
        << then << "\n";
  }
  Generations& operator*() const { return *generations_; }
  Generations* operator->() const { return generations_.get(); }
  std::string version() const { return std::string(generations_->current()->version()); }

 private:
  std::string folder_ = (std::filesystem::temp_directory_path() / "sluice-served-XXXXXX").string();
  ServiceConfig config_;
  std::unique_ptr<Generations> generations_;
};

}  // namespace

TEST_CASE("generations: an edited policy waits for its reload, also when a list file changes") {
  const Served served;
  served.write_policy("2-half-done", "reject 554");
  served->reload_changed_files();
  CHECK(served->state().generation == 1);
  served.write_list("203.0.113.9\n203.0.113.10\n");
  served->reload_changed_files();
  CHECK(served->state().generation == 2);
  CHECK(served.version() == "1");
  REQUIRE(served->reload().has_value());
  CHECK(served.version() == "2-half-done");
}

TEST_CASE("generations: a policy with a mistake holds up no list, and stays a reload that failed") {
  const Served served;
  served.write_policy("2", "reject 999");
  CHECK_FALSE(served->reload().has_value());
  served.write_list("203.0.113.9\n203.0.113.10\n");
  served->reload_changed_files();
  CHECK(served->state().generation == 2);
  CHECK_FALSE(served->state().last_ok);
  served.write_policy("3", "reject 550");
  REQUIRE(served->reload().has_value());
  CHECK(served->state().last_ok);
  CHECK(served.version() == "3");
}

TEST_CASE("generations: a broken list keeps its content and is told until it is mended") {
  const Served served;
  served.write_list("no network\n");
  served->reload_changed_files();
  CHECK_FALSE(served->state().last_ok);
  CHECK(served->state().generation == 1);
  served.write_list("203.0.113.77\n");
  served->reload_changed_files();
  CHECK(served->state().last_ok);
  CHECK(served->state().generation == 2);
}

}  // namespace sluice::app
