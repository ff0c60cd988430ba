// Compiler: policy as written -> Program. compile() of program.h is its only user. Private to
// policy/.
#pragma once
#include "policy/rule_compiler.h"

namespace sluice::policy {

class Compiler {
 public:
  Compiler(const PolicySource& source, const Vocabulary& vocabulary, const CompileOptions& options,
           Diagnostics& diagnostics);
  ProgramPtr compile();

 private:
  void group_by_stage(Program& program) const;
  void note_needs(Program& program) const;
  void check_timezone();
  std::string hash() const;

  const PolicySource& source_;
  std::unique_ptr<Code> code_;
  Compilation c_;
  std::vector<Rule> rules_;
};

}  // namespace sluice::policy
