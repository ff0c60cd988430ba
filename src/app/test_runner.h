// `sluice test FILE…`: plays the tests of policies (LANGUAGE 11) and says in one line each whether
// they passed.
//
// Each FILE is a policy with tests, or a file of tests beside its policy; each is a bundle of its
// own. Nothing here needs a network or the running service. Exit codes: 0, 65 a test failed (or
// coverage is too low), 66 no input, 78 a policy or its tests have errors.
#pragma once
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace sluice::app {

struct TestOptions {
  std::vector<std::string> files;
  std::string filter;               // only tests whose name contains it, without case
  bool coverage = false;            // per rule: matched, not matched, unknown, exempted
  std::optional<int> coverage_min;  // percent of what can be seen
  std::string junit;                // path of a JUnit report; empty: none
  std::string mta, listen;          // HOST:PORT of an MTA and where it finds its milter: played through it
  bool fold_local_part = true;
};

int run_tests(const TestOptions& options, std::ostream& out);

}  // namespace sluice::app
