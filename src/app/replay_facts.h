// ReplayFacts: what a log does not tell is unknown to the policy. Set for each event; facts that
// the source did tell are left to be found out as in a live session.
#pragma once
#include <string>
#include <unordered_map>

#include "app/replay_event.h"
#include "engine/session.h"

namespace sluice::app {

class ReplayFacts final : public engine::GivenFacts {
 public:
  ReplayFacts();
  void set(const ReplayEvent& event);
  const policy::Value* find(const std::string& fact, const mail::Recipient* recipient) override;

 private:
  enum class Group : std::uint8_t { Helo, Tls, Content, Size };
  std::unordered_map<std::string, Group> groups_;
  policy::Value unknown_, size_;
  bool has_helo_ = false, has_tls_ = false, has_content_ = false;
};

}  // namespace sluice::app
