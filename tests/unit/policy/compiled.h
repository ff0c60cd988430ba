// Short policies compiled for one test.
#pragma once
#include <string>

#include "language_vocabulary.h"
#include "policy/program.h"

namespace sluice::policy::testing {

struct Compiled {
  PolicySource source;
  ProgramPtr program;
  Diagnostics diagnostics;

  const Rule& rule(std::string_view name) const {
    for (const Rule& rule : program->rules())
      if (rule.name == name) return rule;
    throw std::out_of_range("no such rule");
  }
};

inline Compiled compile_text(const std::string& text, const CompileOptions& options = {}) {
  Compiled result;
  result.source = load_policy_text("test.yaml", text, result.diagnostics);
  result.program = compile(result.source, language_vocabulary(), options, result.diagnostics);
  return result;
}

// A policy of one rule at a stage.
inline std::string rule_at(const std::string& stage, const std::string& when,
                           const std::string& declarations = "") {
  std::string quoted;
  for (const char c : when) quoted.append(c == '\'' ? "'" : "").push_back(c);
  return "sluice: 1\npolicy: p\n" + declarations + "rules:\n  - rule: r\n    stage: " + stage +
         "\n    when: '" + quoted + "'\n    then: log \"x\"\n";
}

}  // namespace sluice::policy::testing
