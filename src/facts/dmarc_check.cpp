#include "facts/dmarc_check.h"

#include <array>

#include "mail/domain.h"

namespace sluice::facts {

using backends::DnsStatus;

namespace {

constexpr std::array<std::string_view, 5> kNames{"none", "pass", "fail", "permerror", "temperror"};

// What is known of a list of identifiers: is one of them aligned?
struct Alignment {
  bool holds = false;
  bool is_pending = false;
  std::optional<DnsStatus> failure;

  void join(const Alignment& other) {
    holds = holds || other.holds;
    is_pending = is_pending || other.is_pending;
    if (!failure) failure = other.failure;
  }
};

class Evaluation {
 public:
  Evaluation(const DmarcRequest& request, DnsAnswers& answers)
      : request_(request), answers_(answers) {}

  std::optional<DmarcVerdict> run() {
    const auto walk = walk_tree(request_.author_domain, request_.by, answers_);
    if (!walk) return std::nullopt;
    // Behind the record of the author's domain itself the walk only matters to relaxed alignment.
    walk_failure_ = walk->failure;
    if (walk_failure_ && walk->at(request_.author_domain) == nullptr) return failed(*walk_failure_);
    choose_record(*walk);
    DmarcVerdict verdict;
    if (!record_) return verdict;
    if (!record_->policy) {
      verdict.result = DmarcResult::PermError;
      return verdict;
    }
    organizational_ = walk->organizational;
    if (!choose_policy(verdict) || !choose_result(verdict)) return std::nullopt;
    return verdict;
  }

 private:
  static DmarcVerdict failed(DnsStatus failure) {
    DmarcVerdict verdict;
    verdict.result = DmarcResult::TempError;
    verdict.failure = failure;
    verdict.policy_failure = failure;
    return verdict;
  }

  // 4.10.1: of the author's domain, else of its organizational domain, else of the public suffix.
  void choose_record(const TreeWalk& walk) {
    const DmarcRecord* record = walk.at(request_.author_domain);
    is_own_ = record != nullptr;
    if (record == nullptr) record = walk.at(walk.organizational);
    if (record == nullptr && walk.public_suffix() != nullptr)
      record = &walk.public_suffix()->record;
    if (record != nullptr) record_ = *record;
  }

  // False: pending.
  bool choose_policy(DmarcVerdict& verdict) {
    DmarcPolicy policy = *record_->policy;
    if (!is_own_) {
      policy = record_->of_subdomains.value_or(policy);
      const DmarcPolicy of_nonexistent = record_->of_nonexistent.value_or(policy);
      if (of_nonexistent != policy) {
        const auto* answer = answers_.ask(request_.author_domain, backends::DnsType::A);
        if (answer == nullptr) return false;
        if (!backends::is_answer(answer->status)) verdict.policy_failure = answer->status;
        if (answer->status == DnsStatus::NxDomain) policy = of_nonexistent;
      }
    }
    if (record_->is_test && policy != DmarcPolicy::None)
      policy = static_cast<DmarcPolicy>(static_cast<int>(policy) - 1);
    verdict.policy = policy;
    return true;
  }

  // 5.3.x: one authenticated identifier that is aligned is enough. False: pending.
  bool choose_result(DmarcVerdict& verdict) {
    Alignment passed = of(request_.spf, record_->strict_spf);
    passed.join(of(request_.dkim, record_->strict_dkim));
    Alignment undecided = of(request_.spf_undecided, record_->strict_spf);
    undecided.join(of(request_.dkim_undecided, record_->strict_dkim));
    verdict.result = DmarcResult::Pass;
    if (passed.holds) return true;
    if (passed.is_pending || undecided.is_pending) return false;
    verdict.result = DmarcResult::TempError;
    if (undecided.holds) verdict.failure = request_.undecided;
    if (passed.failure) verdict.failure = *passed.failure;
    if (!undecided.holds && undecided.failure) verdict.failure = *undecided.failure;
    if (verdict.failure == DnsStatus::Ok) verdict.result = DmarcResult::Fail;
    return true;
  }

  Alignment of(const std::vector<std::string>& domains, bool is_strict) {
    Alignment all;
    for (const std::string& domain : domains) all.join(of(domain, is_strict));
    return all;
  }

  // Relaxed: the organizational domains are the same (4.10.2). Only names below that of the author
  // can have it, so of no other one the DNS is asked.
  Alignment of(const std::string& domain, bool is_strict) {
    Alignment alignment;
    alignment.holds = domain == request_.author_domain;
    if (alignment.holds || is_strict) return alignment;
    alignment.failure = walk_failure_;
    if (walk_failure_ || !mail::is_under(domain, organizational_)) return alignment;
    const auto walk = walk_tree(domain, request_.by, answers_);
    alignment.is_pending = !walk;
    if (walk) alignment.failure = walk->failure;
    alignment.holds = walk && !walk->failure && walk->organizational == organizational_;
    return alignment;
  }

  const DmarcRequest& request_;
  DnsAnswers& answers_;
  std::optional<DmarcRecord> record_;
  bool is_own_ = false;
  std::string organizational_;
  std::optional<DnsStatus> walk_failure_;
};

}  // namespace

std::string_view dmarc_result_name(DmarcResult result) {
  return kNames[static_cast<std::size_t>(result)];
}

std::optional<DmarcVerdict> check_dmarc(const DmarcRequest& request, DnsAnswers& answers) {
  return Evaluation(request, answers).run();
}

}  // namespace sluice::facts
