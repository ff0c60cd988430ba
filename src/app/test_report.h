// What is printed of policy tests: lines for people, JUnit for machines, coverage of the rules.
#pragma once
#include <iosfwd>
#include <string>
#include <vector>

#include "app/test_player.h"

namespace sluice::app {

struct PlayedTest {
  std::string suite, name;  // file; name of the test
  TestOutcome outcome;
  double seconds = 0;
};

// One line, and for a failure the step, expected and got, and the rules that decided.
void print_test(const PlayedTest& test, std::ostream& out);
std::string junit_report(const std::vector<PlayedTest>& tests);

// A rule is covered when it was seen to match and, if it has a condition, not to match as well.
class CoverageReport {
 public:
  void add(const std::string& suite, const policy::Program& program, const Coverage& seen);
  void print(std::ostream& out) const;
  int percent() const;  // of what can be seen; 100 when there is nothing

 private:
  struct Line {
    std::string suite, rule;
    RuleCoverage seen;
    bool has_condition = true;
  };
  static std::string missing(const Line& line);
  std::vector<Line> lines_;
};

}  // namespace sluice::app
