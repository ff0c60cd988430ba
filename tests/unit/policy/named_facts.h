// Facts of one evaluation, given by name.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "policy/program.h"

namespace sluice::policy::testing {

// Facts by name; what is not named is pending.
class NamedFacts final : public FactSource {
 public:
  NamedFacts(const Program& program, std::map<std::string, Value> facts)
      : program_(program), facts_(std::move(facts)) {}
  const Value* fact(FactIndex index, std::uint32_t recipient) override {
    const std::string& name = program_.facts()[index].signature.name;
    asked.push_back(name);
    const auto of_one = facts_.find(name + "#" + std::to_string(recipient));
    if (of_one != facts_.end()) return &of_one->second;
    const auto found = facts_.find(name);
    return found == facts_.end() ? nullptr : &found->second;
  }
  std::uint32_t recipient_count() override { return recipients; }
  const Value* header(std::string_view name) override {
    const auto found = facts_.find("header " + std::string(name));
    return found == facts_.end() ? nullptr : &found->second;
  }
  const Value* contains(ListId, const Value&) override { return &yes_; }
  const Value* seen(std::uint32_t, std::span<const Value>, Duration) override { return &yes_; }
  std::string template_word(std::string_view word) override {
    return "<" + std::string(word) + ">";
  }
  std::uint32_t recipients = 0;
  std::vector<std::string> asked;  // names, in order

 private:
  const Program& program_;
  std::map<std::string, Value> facts_;
  Value yes_ = Value(true);
};

}  // namespace sluice::policy::testing
