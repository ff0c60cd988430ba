// DNS answers for checks that ask through DnsAnswers: given by name and type, NXDOMAIN for the
// rest.
#pragma once
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "facts/dns_answers.h"

namespace sluice::facts::testing {

class GivenAnswers final : public DnsAnswers {
 public:
  std::map<std::string, backends::DnsAnswer> answers;  // by "name TYPE"
  std::set<std::string> pending;                       // names that have no answer yet
  std::vector<std::string> asked;                      // each question once, in their order

  void txt(const std::string& name, std::vector<std::string> texts) {
    backends::DnsAnswer answer{backends::DnsStatus::Ok, {}, false};
    for (std::string& text : texts) answer.records.push_back({{}, std::move(text), 0});
    answers[name + " TXT"] = std::move(answer);
  }
  void fail(const std::string& name, backends::DnsStatus status) {
    answers[name + " TXT"] = {status, {}, false};
  }
  void exists(const std::string& name) {
    answers[name + " A"] = {backends::DnsStatus::NoData, {}, false};
  }

  const backends::DnsAnswer* ask(std::string_view name, backends::DnsType type) override {
    static const backends::DnsAnswer kNxDomain{backends::DnsStatus::NxDomain, {}, false};
    const std::string question =
        std::string(name) + " " + std::string(backends::dns_type_name(type));
    if (std::find(asked.begin(), asked.end(), question) == asked.end()) asked.push_back(question);
    if (pending.count(std::string(name)) != 0) return nullptr;
    const auto found = answers.find(question);
    return found != answers.end() ? &found->second : &kNxDomain;
  }
};

}  // namespace sluice::facts::testing
