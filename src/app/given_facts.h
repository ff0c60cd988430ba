// Facts that a test or `explain --given NAME=VALUE` fixes (LANGUAGE 11): every value is written as
// the type of its fact asks; `timeout` makes a fact unknown, `none` is none (or the enum's word).
// Facts of rcpt.* take one value for all recipients or a map by address, with * in it.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/session.h"
#include "policy/program.h"
#include "policy/yaml_tree.h"

namespace sluice::app {

inline constexpr std::size_t kMaxGivenItems = 100'000;  // of one list

// Error{Config}: the text is no value of that type, with what was expected.
Result<policy::Value> parse_given_value(const policy::Type& type, std::string_view text);
Result<policy::Value> parse_given_value(const policy::Type& type, const policy::YamlNode& node);

// The fact of that name that a policy or the built-in vocabulary has; nullptr: none.
const policy::FactSignature* find_signature(const policy::Program& program, std::string_view name);

// "nouser*@example.com" against an address, without case. * stands for any characters.
bool matches_address(std::string_view pattern, std::string_view address);

class GivenValues final : public engine::GivenFacts {
 public:
  void set(const std::string& fact, policy::Value value);
  void set_for(const std::string& fact, std::string address_pattern, policy::Value value);
  // What facts are that nobody has given.
  void set_default(const std::string& fact, policy::Value value);
  bool has(const std::string& fact) const {
    return all_.count(fact) > 0 || by_address_.count(fact) > 0;
  }

  const policy::Value* find(const std::string& fact, const mail::Recipient* recipient) override;

 private:
  std::map<std::string, policy::Value> all_, defaults_;
  std::map<std::string, std::vector<std::pair<std::string, policy::Value>>> by_address_;
};

// SPF, DKIM, DMARC and ARC none, no virus, no points, and none for what the site declares as
// optional. With `mail_is_checked` the results of SPF, DKIM, DMARC and ARC are left to be found out
// from the given DNS.
void give_defaults(GivenValues& values, const policy::Program& program, bool mail_is_checked);

}  // namespace sluice::app
