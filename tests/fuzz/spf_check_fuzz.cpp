// rooms: facts
// Whole SPF evaluations over a hostile DNS: each line of the input is a TXT record, every other
// answer follows from the name asked for. Whatever is published, the limits hold and the order of
// arrival changes nothing.
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "facts/spf_check.h"
#include "require.h"

namespace {

using namespace sluice;
using namespace sluice::facts;
using backends::DnsAnswer;
using backends::DnsRecord;
using backends::DnsStatus;
using backends::DnsType;
using fuzz::require;

// TXT of the start; of 10 terms: one look-up and ten hosts each, and the names of the client before
// each (%{p}); exp.
constexpr std::size_t kMostQuestions = 1 + 10 * 11 + 11 + 1;
constexpr std::size_t kMostTxt = 1 + 10 + 1;

class HostileDns final : public SpfAnswers {
 public:
  HostileDns(const std::vector<std::string>& lines, bool in_rounds)
      : lines_(lines), in_rounds_(in_rounds) {}

  const DnsAnswer* ask(std::string_view name, DnsType type) override {
    const auto [at, is_new] = answers_.try_emplace({std::string(name), type});
    if (is_new) {
      at->second = made_up(name, type);
      fresh_.insert(at->first);
      if (type == DnsType::Txt) ++txt_;
    }
    return in_rounds_ && fresh_.count(at->first) != 0 ? nullptr : &at->second;
  }
  void next_round() { fresh_.clear(); }
  void check_limits() const {
    require(answers_.size() <= kMostQuestions, "an evaluation asks at most 123 questions");
    require(txt_ <= kMostTxt, "an evaluation reads at most 12 TXT records");
  }

 private:
  using Question = std::pair<std::string, DnsType>;

  static std::size_t hash(std::string_view name) {
    std::size_t h = 1469598103U;
    for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 16777619U;
    return h;
  }

  DnsAnswer made_up(std::string_view name, DnsType type) const {
    const std::size_t h = hash(name) + static_cast<std::size_t>(type);
    if (h % 11 == 0) return {.status = DnsStatus::NxDomain, .records = {}};
    if (h % 37 == 0) return {.status = DnsStatus::Timeout, .records = {}};
    DnsAnswer answer{.status = DnsStatus::Ok, .records = {}};
    const std::size_t count = type == DnsType::Mx || type == DnsType::Ptr ? 1 + h % 12 : 1;
    for (std::size_t i = 0; i < count; ++i) answer.records.push_back(record(h + i, type));
    return answer;
  }

  DnsRecord record(std::size_t h, DnsType type) const {
    DnsRecord r;
    if (type == DnsType::Txt) r.text = lines_[h % lines_.size()];
    if (type == DnsType::Mx || type == DnsType::Ptr)
      r.text = "h" + std::to_string(h % 99) + ".example";
    r.address = type == DnsType::A ? IpAddress::from_v4(0xc0000200U + h % 4)
                                   : *IpAddress::parse("2001:db8::1");
    return r;
  }

  const std::vector<std::string>& lines_;
  bool in_rounds_;
  std::map<Question, DnsAnswer> answers_;
  std::set<Question> fresh_;
  std::size_t txt_ = 0;
};

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  do {
    const std::size_t end = text.find('\n');
    lines.push_back("v=spf1 " + std::string(text.substr(0, end)));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  } while (!text.empty() && lines.size() < 16);
  return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < 1) return 0;
  const auto lines = lines_of({reinterpret_cast<const char*>(bytes) + 1, size - 1});
  SpfRequest request;
  request.client =
      (bytes[0] & 1) != 0 ? *IpAddress::parse("192.0.2.1") : *IpAddress::parse("2001:db8::1");
  request.local_part = (bytes[0] & 2) != 0 ? "ann.b+c" : "";
  request.domain = "start" + std::to_string(bytes[0]) + ".example";
  request.helo = "mail.example";
  request.explain = true;

  HostileDns at_once(lines, false);
  const auto expected = check_spf(request, at_once);
  require(expected.has_value(), "with all answers there is a verdict");
  at_once.check_limits();
  require(expected->explanation.empty() || expected->result == SpfResult::Fail,
          "only a fail is explained");

  HostileDns in_rounds(lines, true);
  std::optional<SpfVerdict> got;
  for (std::size_t round = 0; !(got = check_spf(request, in_rounds)); ++round) {
    require(round <= kMostQuestions, "each round brings the end nearer");
    in_rounds.next_round();
  }
  in_rounds.check_limits();
  require(got->result == expected->result && got->explanation == expected->explanation,
          "answers in rounds give the same verdict");
  return 0;
}
