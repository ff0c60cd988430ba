// RuleCompiler: one written rule after another becomes a Rule of the program. Private to policy/.
#pragma once
#include <optional>
#include <string>

#include "policy/emitter.h"
#include "policy/program.h"
#include "policy/typecheck.h"

namespace sluice::policy {

class RuleCompiler {
 public:
  explicit RuleCompiler(Compilation& compilation) : c_(compilation), emitter_(compilation) {}

  // Reports what is wrong; the rule is of use only when nothing was.
  Rule compile(const RuleSource& source);
  std::optional<RecipientsSpec> compile_recipients();
  // Lets that no rule uses are still checked for unknown names.
  void check_lets();

 private:
  Place place(const char* key) const;
  void assume_conditions();
  void condition();
  void actions();
  void action(const ActionSource& action);
  void list_action(const ActionSource& action, RuleAction& made);
  void decision(const ActionSource& action);
  void check_form();
  void check_edit_stage(const ActionSource& action);
  void warn_about_reply(const ActionSource& action);
  void texts();
  void on_unknown();
  void reply_stage();
  void limit();
  void limit_maximum(LimitSpec& limit);
  void limit_count(LimitSpec& limit);
  void greylist();
  void score();
  void exempt();
  ExprId expression(const Node& node, const char* key, const Type* hint = nullptr);
  ExprId add(Typed typed, const Node& node);
  TemplateId text(const Scalar& scalar, const char* key, bool lines = false);
  std::string key_expressions(const std::vector<Node>& nodes, const char* key) const;
  std::string state_key(const std::string& count, const std::vector<Node>& nodes) const;
  std::string normal_form() const;

  Compilation& c_;
  Emitter emitter_;
  // Of the rule at hand.
  const RuleSource* source_ = nullptr;
  mail::Stage stage_ = mail::Stage::Connect;
  bool recipient_ = false;
  Narrowing narrowing_;
  Rule rule_;
};

}  // namespace sluice::policy
