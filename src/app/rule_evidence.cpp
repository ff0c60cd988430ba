#include "app/rule_evidence.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace sluice::app {
namespace {

std::string cut(const std::string& text) { return text.substr(0, RuleEvidence::kMaxSampleText); }

std::string shown(const std::string& text) { return text.empty() ? "-" : log_value(text); }

std::string path(const std::string& text) {
  return !text.empty() && text.front() == '<' ? text : "<" + text + ">";
}

}  // namespace

std::string grouped(std::uint64_t n) {
  std::string text = std::to_string(n);
  for (auto place = static_cast<std::ptrdiff_t>(text.size()) - 3; place > 0; place -= 3)
    text.insert(static_cast<std::size_t>(place), ",");
  return text;
}

void DistinctCount::add(std::string_view text) {
  const std::uint64_t hash = keyed_hash(text);
  if (seen_.count(hash) > 0) return;
  is_full_ = is_full_ || seen_.size() >= kMaxDistinct;
  if (!is_full_) seen_.insert(hash);
}

std::string DistinctCount::text() const {
  return (is_full_ ? "more than " : "") + grouped(seen_.size());
}

void RuleEvidence::add(EvidenceSample sample) {
  ++count_;
  senders_.add(fold(sample.from));
  clients_.add(sample.client);
  if (answers_.size() < kMaxAnswers || answers_.count(sample.answer) > 0) ++answers_[sample.answer];
  const bool is_shown =
      std::any_of(samples_.begin(), samples_.end(),
                  [&](const EvidenceSample& one) { return one.from == sample.from; });
  if (is_shown) return;
  for (std::string* text : {&sample.client, &sample.from, &sample.to, &sample.note})
    *text = cut(*text);
  if (samples_.size() < kMaxSamples) {
    samples_.push_back(std::move(sample));
  } else {
    samples_[oldest_] = std::move(sample);
    oldest_ = (oldest_ + 1) % kMaxSamples;
  }
}

std::string RuleEvidence::answers_text() const {
  if (answers_.size() == 1) return answers_.begin()->first;
  std::string text;
  for (const auto& [answer, count] : answers_)
    text += (text.empty() ? "" : ", ") + answer + " (" + grouped(count) + ")";
  return text;
}

void RuleEvidence::tell(nlohmann::ordered_json& json) const {
  json["count"] = count_;
  json["senders"] = senders_.count();
  json["clients"] = clients_.count();
  json["senders_are_more"] = senders_.is_full();
  json["clients_are_more"] = clients_.is_full();
  json["answers"] = answers_;
  json["samples"] = nlohmann::ordered_json::array();
  for (const EvidenceSample& one : samples_) {
    json["samples"].push_back({{"at", render_datetime(one.at)},
                               {"client", one.client},
                               {"from", one.from},
                               {"to", one.to},
                               {"answer", one.answer},
                               {"note", one.note}});
  }
}

std::string RuleEvidence::samples_text() const {
  std::string text;
  for (const EvidenceSample& one : samples_) {
    text += "    " + render_datetime(one.at) + "  " + shown(one.client) + "  " +
            log_value(path(one.from)) + " -> " + (one.to.empty() ? "-" : log_value(path(one.to))) +
            (one.note.empty() ? "" : "  (" + one.note + ")") + "\n";
  }
  return text;
}

}  // namespace sluice::app
