#include "facts/spf_check.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <vector>

#include "facts/spf_record.h"

namespace sluice::facts {

using backends::DnsAnswer;
using backends::DnsStatus;
using backends::DnsType;

namespace {

constexpr std::array<std::string_view, 7> kResultNames{"none",     "neutral",   "pass",     "fail",
                                                       "softfail", "temperror", "permerror"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), lower);
  return text;
}

// Labels of 1 to 63 bytes, 253 in all (4.3).
bool is_valid_name(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  for (;;) {
    const std::size_t dot = name.find('.');
    const std::size_t label = std::min(dot, name.size());
    if (label == 0 || label > 63) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

bool is_same_or_below(std::string_view name, std::string_view domain) {
  if (name.size() < domain.size() || name.substr(name.size() - domain.size()) != domain)
    return false;
  return name.size() == domain.size() || name[name.size() - domain.size() - 1] == '.';
}

bool same_prefix(const IpAddress& a, const IpAddress& b, int bits) {
  for (std::size_t i = 0; i < a.bytes().size() && bits > 0; ++i, bits -= 8) {
    const int mask = bits >= 8 ? 0xff : 0xff << (8 - bits) & 0xff;
    if (((a.bytes()[i] ^ b.bytes()[i]) & mask) != 0) return false;
  }
  return true;
}

// How a mechanism, or a look-up on its behalf, ended.
enum class Step : std::uint8_t { Match, NoMatch, TempError, PermError, Pending };

using Ended = std::optional<SpfResult>;  // nullopt: pending

// One evaluation, from the first record to the verdict. Nothing survives it.
class Evaluation {
 public:
  Evaluation(const SpfRequest& request, SpfAnswers& answers)
      : request_(request), answers_(answers) {}

  std::optional<SpfVerdict> run();

 private:
  Ended check_host(const std::string& domain);
  Ended read_record(const std::string& domain, SpfRecord& record);
  Ended follow_redirect(const SpfRecord& record, const std::string& domain);
  void note_explanation(const SpfRecord& record, const std::string& domain);

  Step match(const SpfDirective& directive, const std::string& domain);
  Step match_all(const SpfDirective&, const std::string&) { return Step::Match; }
  Step match_ip4(const SpfDirective& d, const std::string&);
  Step match_ip6(const SpfDirective& d, const std::string&);
  Step match_include(const SpfDirective& d, const std::string& target);
  Step match_a(const SpfDirective& d, const std::string& target);
  Step match_mx(const SpfDirective& d, const std::string& target);
  Step match_ptr(const SpfDirective& d, const std::string& target);
  Step match_exists(const SpfDirective& d, const std::string& target);
  Step match_addresses(const DnsAnswer& answer, const SpfDirective& d) const;

  // Match: the answer may be used; NoMatch: there is none (in vain); else how the whole evaluation
  // ends.
  Step look_up(std::string_view name, DnsType type, const DnsAnswer*& answer);
  bool begin_term();
  bool count_void();
  Step expand_target(const SpfMacroString& spec, const std::string& domain, std::string& target);
  Step validated_names(std::vector<std::string>& names);
  Step validated_name(const std::string& domain, std::string& name);
  SpfMacroValues macro_values(const std::string& domain) const;
  // nullopt: pending. Errors only cost the explanation.
  std::optional<std::string> explain();

  DnsType address_type() const { return request_.client.is_v4() ? DnsType::A : DnsType::Aaaa; }
  Step permanent_error(std::string problem) {
    problem_ = std::move(problem);
    return Step::PermError;
  }

  const SpfRequest& request_;
  SpfAnswers& answers_;
  int terms_ = 0;
  int void_terms_ = 0;
  bool term_was_void_ = true;  // the first record belongs to no term
  int include_depth_ = 0;
  std::string problem_;
  DnsStatus failure_ = DnsStatus::Ok;
  std::optional<SpfMacroString> explanation_;  // of the record that failed
  std::string explanation_domain_;
};

Ended ended(Step step) {
  switch (step) {
    case Step::TempError:
      return SpfResult::TempError;
    case Step::PermError:
      return SpfResult::PermError;
    default:
      return std::nullopt;
  }
}

// --- look-ups and their limits ---

bool Evaluation::begin_term() {
  term_was_void_ = false;
  if (++terms_ <= kMaxSpfTerms) return true;
  problem_ = "more than 10 terms with DNS look-ups";
  return false;
}

bool Evaluation::count_void() {
  if (term_was_void_) return true;
  term_was_void_ = true;
  if (++void_terms_ <= kMaxSpfVoidTerms) return true;
  problem_ = "more than 2 terms looked up in vain";
  return false;
}

Step Evaluation::look_up(std::string_view name, DnsType type, const DnsAnswer*& answer) {
  answer = answers_.ask(lower_case(std::string(name)), type);
  if (answer == nullptr) return Step::Pending;
  if (!is_answer(answer->status)) {
    failure_ = answer->status;
    problem_ = "no answer to " + std::string(name) + " " + std::string(dns_type_name(type));
    return Step::TempError;
  }
  if (answer->status == DnsStatus::Ok) return Step::Match;
  return count_void() ? Step::NoMatch : Step::PermError;
}

SpfMacroValues Evaluation::macro_values(const std::string& domain) const {
  return {.local_part = request_.local_part.empty() ? "postmaster" : request_.local_part,
          .sender_domain = request_.domain,
          .domain = domain,
          .client = request_.client,
          .validated_name = {},
          .helo = request_.helo,
          .receiver = request_.receiver.empty() ? "unknown" : request_.receiver,
          .now = request_.now};
}

// PTR names that lead back to the client (5.5). A DNS error only costs the names it concerns.
Step Evaluation::validated_names(std::vector<std::string>& names) {
  const DnsAnswer* ptr = nullptr;
  const Step step = look_up(request_.client.reverse_name(), DnsType::Ptr, ptr);
  if (step == Step::TempError) return Step::Match;
  if (step != Step::Match) return step == Step::NoMatch ? Step::Match : step;
  const std::size_t count = std::min(ptr->records.size(), kMaxSpfPtrNames);
  for (std::size_t i = 0; i < count; ++i)
    answers_.ask(lower_case(ptr->records[i].text), address_type());
  for (std::size_t i = 0; i < count; ++i) {
    const DnsAnswer* addresses = nullptr;
    const Step found = look_up(ptr->records[i].text, address_type(), addresses);
    if (found == Step::Pending || found == Step::PermError) return found;
    if (found != Step::Match) continue;
    const bool leads_back =
        std::any_of(addresses->records.begin(), addresses->records.end(),
                    [&](const auto& record) { return record.address == request_.client; });
    if (leads_back) names.push_back(lower_case(ptr->records[i].text));
  }
  return Step::Match;
}

// %{p} (7.3): the domain itself, else a name below it, else any.
Step Evaluation::validated_name(const std::string& domain, std::string& name) {
  std::vector<std::string> names;
  const Step step = validated_names(names);
  if (step != Step::Match) return step;
  const std::string wanted = lower_case(domain);
  const auto first_of = [&](auto good) { return std::find_if(names.begin(), names.end(), good); };
  auto best = first_of([&](const std::string& n) { return n == wanted; });
  if (best == names.end())
    best = first_of([&](const std::string& n) { return is_same_or_below(n, wanted); });
  if (best == names.end()) best = names.begin();
  name = best == names.end() ? "unknown" : *best;
  return Step::Match;
}

// Match: `target` may be looked up; NoMatch: it is no valid name.
Step Evaluation::expand_target(const SpfMacroString& spec, const std::string& domain,
                               std::string& target) {
  SpfMacroValues values = macro_values(domain);
  if (spec.uses_validated_name()) {
    const Step step = validated_name(domain, values.validated_name);
    if (step != Step::Match) return step;
  }
  target = lower_case(spec.expand_domain(values));
  return is_valid_name(target) ? Step::Match : Step::NoMatch;
}

// --- mechanisms (5) ---

Step Evaluation::match_ip4(const SpfDirective& d, const std::string&) {
  const bool matches =
      request_.client.is_v4() && same_prefix(request_.client, d.network, 96 + d.v4_length);
  return matches ? Step::Match : Step::NoMatch;
}

Step Evaluation::match_ip6(const SpfDirective& d, const std::string&) {
  const bool matches =
      !request_.client.is_v4() && same_prefix(request_.client, d.network, d.v6_length);
  return matches ? Step::Match : Step::NoMatch;
}

Step Evaluation::match_addresses(const DnsAnswer& answer, const SpfDirective& d) const {
  const bool v4 = request_.client.is_v4();
  const int bits = v4 ? 96 + d.v4_length : d.v6_length;
  const bool matches =
      std::any_of(answer.records.begin(), answer.records.end(), [&](const auto& record) {
        return record.address.is_v4() == v4 && same_prefix(request_.client, record.address, bits);
      });
  return matches ? Step::Match : Step::NoMatch;
}

Step Evaluation::match_a(const SpfDirective& d, const std::string& target) {
  const DnsAnswer* addresses = nullptr;
  const Step step = look_up(target, address_type(), addresses);
  return step == Step::Match ? match_addresses(*addresses, d) : step;
}

Step Evaluation::match_mx(const SpfDirective& d, const std::string& target) {
  const DnsAnswer* mx = nullptr;
  Step step = look_up(target, DnsType::Mx, mx);
  if (step != Step::Match) return step;
  if (mx->records.size() > kMaxSpfMxHosts)
    return permanent_error("more than 10 MX hosts of " + target);
  // By preference: name servers rotate their answers, the verdict shall not follow.
  std::vector<const backends::DnsRecord*> hosts;
  for (const auto& host : mx->records) {
    if (is_valid_name(host.text)) hosts.push_back(&host);  // the null MX (RFC 7505) is none
  }
  std::sort(hosts.begin(), hosts.end(), [](const auto* a, const auto* b) {
    return std::tie(a->preference, a->text) < std::tie(b->preference, b->text);
  });
  for (const auto* host : hosts) answers_.ask(lower_case(host->text), address_type());
  for (const auto* host : hosts) {
    const DnsAnswer* addresses = nullptr;
    step = look_up(host->text, address_type(), addresses);
    if (step == Step::Match) step = match_addresses(*addresses, d);
    if (step != Step::NoMatch) return step;
  }
  return Step::NoMatch;
}

Step Evaluation::match_ptr(const SpfDirective&, const std::string& target) {
  std::vector<std::string> names;
  const Step step = validated_names(names);
  if (step != Step::Match) return step;
  const bool matches = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return is_same_or_below(name, target);
  });
  return matches ? Step::Match : Step::NoMatch;
}

Step Evaluation::match_exists(const SpfDirective&, const std::string& target) {
  const DnsAnswer* addresses = nullptr;
  return look_up(target, DnsType::A, addresses);
}

Step Evaluation::match_include(const SpfDirective&, const std::string& target) {
  ++include_depth_;
  const Ended inner = check_host(target);
  --include_depth_;
  if (!inner) return Step::Pending;
  switch (*inner) {
    case SpfResult::Pass:
      return Step::Match;
    case SpfResult::TempError:
      return Step::TempError;
    case SpfResult::PermError:
      return Step::PermError;
    case SpfResult::None:
      return permanent_error("include:" + target + " has no SPF record");
    default:
      return Step::NoMatch;
  }
}

Step Evaluation::match(const SpfDirective& directive, const std::string& domain) {
  struct Row {
    SpfMechanism mechanism;
    bool looks_up;
    Step (Evaluation::*match)(const SpfDirective&, const std::string&);
  };
  static constexpr std::array<Row, 8> kRows{
      {{SpfMechanism::All, false, &Evaluation::match_all},
       {SpfMechanism::Include, true, &Evaluation::match_include},
       {SpfMechanism::A, true, &Evaluation::match_a},
       {SpfMechanism::Mx, true, &Evaluation::match_mx},
       {SpfMechanism::Ptr, true, &Evaluation::match_ptr},
       {SpfMechanism::Ip4, false, &Evaluation::match_ip4},
       {SpfMechanism::Ip6, false, &Evaluation::match_ip6},
       {SpfMechanism::Exists, true, &Evaluation::match_exists}}};
  const auto* const row = std::find_if(
      kRows.begin(), kRows.end(), [&](const Row& r) { return r.mechanism == directive.mechanism; });
  std::string target = domain;
  if (row->looks_up && !begin_term()) return Step::PermError;
  if (directive.domain) {
    const Step step = expand_target(*directive.domain, domain, target);
    if (step == Step::NoMatch && directive.mechanism == SpfMechanism::Include) {
      return permanent_error("include of a name that cannot be");
    }
    if (step != Step::Match) return step;
  }
  return (this->*row->match)(directive, target);
}

// --- check_host (4) ---

Ended Evaluation::read_record(const std::string& domain, SpfRecord& record) {
  if (!is_valid_name(domain) || domain.find('.') == std::string::npos) return SpfResult::None;
  const DnsAnswer* txt = nullptr;
  const Step step = look_up(domain, DnsType::Txt, txt);
  if (step == Step::NoMatch) return SpfResult::None;
  if (step != Step::Match) return ended(step);
  const std::string* text = nullptr;
  for (const auto& candidate : txt->records) {
    if (!is_spf_record(candidate.text)) continue;
    if (text != nullptr) {
      problem_ = domain + " has more than one SPF record";
      return SpfResult::PermError;
    }
    text = &candidate.text;
  }
  if (text == nullptr) return SpfResult::None;
  Result<SpfRecord> parsed = parse_spf_record(*text);
  if (!parsed) {
    problem_ = "SPF record of " + domain + ": " + parsed.error().what;
    return SpfResult::PermError;
  }
  record = std::move(*parsed);
  return SpfResult::Neutral;
}

void Evaluation::note_explanation(const SpfRecord& record, const std::string& domain) {
  if (include_depth_ > 0) return;  // 6.2: never the included domain's
  explanation_ = record.explanation;
  explanation_domain_ = domain;
}

Ended Evaluation::follow_redirect(const SpfRecord& record, const std::string& domain) {
  if (!begin_term()) return SpfResult::PermError;
  std::string target;
  const Step step = expand_target(*record.redirect, domain, target);
  if (step == Step::NoMatch) {
    problem_ = "redirect to a name that cannot be";
    return SpfResult::PermError;
  }
  if (step != Step::Match) return ended(step);
  const Ended result = check_host(target);
  if (result == SpfResult::None) {
    problem_ = "redirect=" + target + " has no SPF record";
    return SpfResult::PermError;
  }
  return result;
}

Ended Evaluation::check_host(const std::string& domain) {
  static constexpr std::array<std::pair<SpfQualifier, SpfResult>, 4> kResults{
      {{SpfQualifier::Pass, SpfResult::Pass},
       {SpfQualifier::Fail, SpfResult::Fail},
       {SpfQualifier::SoftFail, SpfResult::SoftFail},
       {SpfQualifier::Neutral, SpfResult::Neutral}}};
  SpfRecord record;
  const Ended readable = read_record(domain, record);
  if (readable != SpfResult::Neutral) return readable;
  for (const SpfDirective& directive : record.directives) {
    const Step step = match(directive, domain);
    if (step == Step::NoMatch) continue;
    if (step != Step::Match) return ended(step);
    note_explanation(record, domain);
    return std::find_if(kResults.begin(), kResults.end(),
                        [&](const auto& r) { return r.first == directive.qualifier; })
        ->second;
  }
  return record.redirect ? follow_redirect(record, domain) : SpfResult::Neutral;
}

// --- exp= (6.2) ---

std::optional<std::string> Evaluation::explain() {
  std::string target;
  const Step step = expand_target(*explanation_, explanation_domain_, target);
  if (step == Step::Pending) return std::nullopt;
  if (step != Step::Match) return "";
  const DnsAnswer* const txt = answers_.ask(target, DnsType::Txt);
  if (txt == nullptr) return std::nullopt;
  if (txt->status != DnsStatus::Ok || txt->records.size() != 1) return "";
  const Result<SpfMacroString> text = SpfMacroString::parse_explanation(txt->records.front().text);
  if (!text) return "";
  SpfMacroValues values = macro_values(explanation_domain_);
  if (text->uses_validated_name()) {
    const Step named = validated_name(explanation_domain_, values.validated_name);
    if (named == Step::Pending) return std::nullopt;
    if (named != Step::Match) return "";
  }
  return text->expand_text(values);
}

std::optional<SpfVerdict> Evaluation::run() {
  const Ended result = check_host(request_.domain);
  if (!result) return std::nullopt;
  SpfVerdict verdict;
  verdict.result = *result;
  if (*result == SpfResult::TempError || *result == SpfResult::PermError)
    verdict.problem = problem_;
  if (*result == SpfResult::TempError) verdict.failure = failure_;
  if (request_.explain && *result == SpfResult::Fail && explanation_) {
    std::optional<std::string> text = explain();
    if (!text) return std::nullopt;
    verdict.explanation = std::move(*text);
  }
  return verdict;
}

}  // namespace

std::string_view spf_result_name(SpfResult result) {
  return kResultNames[static_cast<std::size_t>(result)];
}

std::optional<SpfVerdict> check_spf(const SpfRequest& request, SpfAnswers& answers) {
  return Evaluation(request, answers).run();
}

}  // namespace sluice::facts
