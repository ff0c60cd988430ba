#include "app/test_runner.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <ostream>

#include "app/mta_dialogue.h"
#include "app/smtp_dialogue.h"
#include "app/test_report.h"
#include "app/test_suite.h"
#include "base/text.h"
#include "facts/fact.h"
#include "policy/policy_source.h"

namespace sluice::app {

namespace {

constexpr int kFailed = 65, kNoInput = 66, kUnavailable = 69, kCannotWrite = 73, kBadPolicy = 78;  // sysexits.h

class Run {
 public:
  Run(const TestOptions& options, std::ostream& out) : options_(options), out_(out) {}

  int all() {
    if (const int wrong = choose_dialogues(); wrong != 0) return wrong;
    for (const std::string& file : options_.files) play_file(file);
    if (!options_.junit.empty()) write_junit();
    if (options_.coverage || options_.coverage_min) coverage_.print(out_);
    summarise();
    return status_;
  }

 private:
  int choose_dialogues() {
    if (options_.mta.empty()) {
      dialogues_ = std::make_unique<SmtpDialogues>();
      return 0;
    }
    auto made = make_mta_dialogues({options_.mta, options_.listen});
    if (!made) {
      out_ << made.error().what << "\n";
      return kUnavailable;
    }
    dialogues_ = std::move(*made);
    return 0;
  }
  void raise(int status) { status_ = std::max(status_, status); }

  void play_file(const std::string& file) {
    if (std::error_code error; !std::filesystem::exists(file, error)) {
      out_ << file << ": no such file\n";
      return raise(kNoInput);
    }
    Diagnostics diagnostics;
    const policy::PolicySource source = policy::load_policy({file}, diagnostics);
    const std::vector<PolicyTest> tests = read_tests(source, diagnostics);
    policy::CompileOptions options;
    options.fold_local_part = options_.fold_local_part;
    const policy::ProgramPtr program =
        policy::compile(source, facts::built_in_vocabulary(), options, diagnostics);
    if (!diagnostics.ok() || program == nullptr) {
      out_ << diagnostics.render() << policy::render_summary(file, source, diagnostics) << "\n";
      return raise(kBadPolicy);
    }
    if (tests.empty()) out_ << file << ": no tests\n";
    Coverage seen;
    for (const PolicyTest& test : tests) play_one(file, program, test, seen);
    coverage_.add(file, *program, seen);
  }

  void play_one(const std::string& file, const policy::ProgramPtr& program, const PolicyTest& test,
                Coverage& seen) {
    if (!options_.filter.empty() &&
        fold(test.name).find(fold(options_.filter)) == std::string::npos)
      return;
    const std::string path = test.span.file ? test.span.file->name() : file;
    const std::size_t slash = path.rfind('/');
    const auto start = std::chrono::steady_clock::now();
    PlayedTest played;
    played.suite = file;
    played.name = test.name;
    played.outcome =
        play_test(program, test, slash == std::string::npos ? "" : path.substr(0, slash + 1), *dialogues_,
                  seen);
    played.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    print_test(played, out_);
    if (!played.outcome.skipped.empty()) ++skipped_;
    if (!played.outcome.passed()) {
      ++failed_;
      raise(kFailed);
    }
    played_.push_back(std::move(played));
  }

  void write_junit() {
    std::ofstream report(options_.junit, std::ios::binary);
    report << junit_report(played_);
    report.flush();
    if (report) return;
    out_ << "cannot write " << options_.junit << "\n";
    raise(kCannotWrite);
  }

  void summarise() {
    out_ << fmt::format("{} tests, {} failed", played_.size(), failed_)
         << (skipped_ > 0 ? fmt::format(", {} skipped\n", skipped_) : "\n");
    if (!options_.coverage_min || coverage_.percent() >= *options_.coverage_min) return;
    out_ << fmt::format("coverage {} % is below {} %\n", coverage_.percent(),
                        *options_.coverage_min);
    raise(kFailed);
  }

  const TestOptions& options_;
  std::ostream& out_;
  std::vector<PlayedTest> played_;
  CoverageReport coverage_;
  std::unique_ptr<DialogueSource> dialogues_;
  std::size_t failed_ = 0, skipped_ = 0;
  int status_ = 0;
};

}  // namespace

int run_tests(const TestOptions& options, std::ostream& out) {
  if (options.files.empty()) {
    out << "no file given\n";
    return kNoInput;
  }
  return Run(options, out).all();
}

}  // namespace sluice::app
