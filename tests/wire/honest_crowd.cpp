#include "honest_crowd.h"

#include <algorithm>
#include <utility>

#include "milter_peer/milter_peer.h"

namespace sluice::wire_test {
namespace {

using Clock = std::chrono::steady_clock;
using peer::Answer;

constexpr std::size_t kMessages = 5;  // of one session
// Between messages: a crowd that saturates the machine by itself measures nothing.
constexpr auto kThink = std::chrono::milliseconds(5);

// One session under check: times each step and notes what is not as it must be.
class CheckedSession {
 public:
  CheckedSession(CrowdResult& result, std::atomic<std::size_t>& answers)
      : result_(result), answers_(answers) {}

  template <class Step>
  void pass(std::string_view what, Step step) {
    const auto answer = timed(step);
    if (!answer || !answer->lets_pass()) note(what, answer);
  }

  template <class Step>
  void refuse(std::string_view what, const std::string& reply, Step step) {
    const auto answer = timed(step);
    if (!answer || answer->reply != reply) note(what, answer);
  }

  void note(std::string_view what, const Result<Answer>& answer) {
    ++result_.wrong;
    if (!result_.first_wrong.empty()) return;
    result_.first_wrong = std::string(what) + ": ";
    if (!answer) {
      result_.first_wrong += answer.error().what;
    } else if (answer->kind == Answer::Kind::Closed) {
      result_.first_wrong += "closed";
    } else {
      result_.first_wrong += static_cast<char>(answer->code) + (" " + answer->reply);
    }
  }

 private:
  template <class Step>
  Result<Answer> timed(Step step) {
    const auto begin = Clock::now();
    auto answer = step();
    result_.latencies_us.push_back(
        std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
    ++result_.answers;
    ++answers_;
    return answer;
  }

  CrowdResult& result_;
  std::atomic<std::size_t>& answers_;
};

}  // namespace

void CrowdResult::merge(CrowdResult other) {
  answers += other.answers;
  wrong += other.wrong;
  if (first_wrong.empty()) first_wrong = std::move(other.first_wrong);
  latencies_us.insert(latencies_us.end(), other.latencies_us.begin(), other.latencies_us.end());
}

double CrowdResult::quantile_us(double share) {
  if (latencies_us.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(latencies_us.size() - 1));
  std::nth_element(latencies_us.begin(), latencies_us.begin() + at, latencies_us.end());
  return latencies_us[static_cast<std::size_t>(at)];
}

HonestCrowd::HonestCrowd(const peer::Endpoint& endpoint, std::size_t sessions,
                         std::string refusal_prefix)
    : endpoint_(endpoint), refusal_prefix_(std::move(refusal_prefix)), results_(sessions) {
  for (std::size_t i = 0; i < sessions; ++i)
    threads_.emplace_back([this, i] {
      while (!stopping_) run(i, results_[i]);
    });
}

bool HonestCrowd::wait_for_answers(std::size_t wanted, std::chrono::milliseconds timeout) const {
  const auto deadline = Clock::now() + timeout;
  while (answers_ < wanted && Clock::now() < deadline) std::this_thread::sleep_for(kThink);
  return answers_ >= wanted;
}

CrowdResult HonestCrowd::stop() {
  stopping_ = true;
  threads_.clear();
  CrowdResult all;
  for (CrowdResult& result : results_) all.merge(std::move(result));
  return all;
}

void HonestCrowd::run(std::size_t number, CrowdResult& result) {
  CheckedSession check(result, answers_);
  auto peer = peer::MilterPeer::attach(endpoint_, {}, std::chrono::seconds(60));
  if (!peer) {
    check.note("attach", tl::unexpected(peer.error()));
    std::this_thread::sleep_for(kThink);
    return;
  }
  const std::string own = std::to_string(number);
  check.pass("connect", [&] { return peer->connect({"mail" + own + ".far.example"}); });
  check.pass("helo", [&] { return peer->helo("mail" + own + ".far.example"); });
  for (std::size_t i = 0; i < kMessages && !stopping_; ++i) {
    const std::string id = own + "-" + std::to_string(i);
    const std::string sender = "<ann" + id + "@far.example>";
    const std::string refused = "refused" + id + "@here.example";
    check.pass("mail", [&] { return peer->mail({sender}); });
    check.pass("rcpt", [&] { return peer->rcpt({"<bob@here.example>"}); });
    if (!refusal_prefix_.empty())
      check.refuse("refused rcpt", refusal_prefix_ + refused,
                   [&] { return peer->rcpt({"<" + refused + ">"}); });
    check.pass("data", [&] { return peer->data(); });
    check.pass("header", [&] { return peer->header("Subject", "minutes"); });
    check.pass("eoh", [&] { return peer->end_of_headers(); });
    check.pass("body", [&] { return peer->body("text\r\n"); });
    check.pass("eom", [&] { return peer->end_of_body(); });
    (void)peer->abort();
    std::this_thread::sleep_for(kThink);
  }
  (void)peer->quit();
}

}  // namespace sluice::wire_test
