// honest_crowd.h - well-behaved sessions whose every answer is checked and timed, beside whatever
// else goes on at the same filter.
//
// A session sends five messages, each with a recipient that must pass and, if the crowd expects a
// refusal, one that must be refused with the reply that names it. Threads are the crowd's own; the
// object may be used from one thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include "milter_peer/link.h"

namespace sluice::wire_test {

struct CrowdResult {
  std::size_t answers = 0;
  std::size_t wrong = 0;
  std::string first_wrong;
  std::vector<double> latencies_us;

  void merge(CrowdResult other);
  double quantile_us(double share);
};

class HonestCrowd {
 public:
  // `refusal_prefix`: what the reply to RCPT TO:<refused...> must be up to the address that
  // follows; empty: the filter refuses nothing.
  HonestCrowd(const peer::Endpoint& endpoint, std::size_t sessions, std::string refusal_prefix);
  // Waits until so many answers came; false when they did not within the time.
  bool wait_for_answers(std::size_t wanted, std::chrono::milliseconds timeout) const;
  // Ends the sessions in progress after their message and gives what was seen.
  CrowdResult stop();

 private:
  void run(std::size_t number, CrowdResult& result);

  peer::Endpoint endpoint_;
  std::string refusal_prefix_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::size_t> answers_ = 0;
  std::vector<CrowdResult> results_;
  std::vector<std::jthread> threads_;
};

}  // namespace sluice::wire_test
