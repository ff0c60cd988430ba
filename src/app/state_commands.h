// limits, greylist and list: the state of the store by readable names, for the control socket.
#pragma once
#include <nlohmann/json_fwd.hpp>

#include "app/control.h"
#include "backends/state_store.h"
#include "engine/ledger.h"
#include "policy/program.h"

namespace sluice::app {

// What the commands work on. The program names the dynamic lists and their types.
struct StatePlaces {
  backends::StateStore& store;
  engine::Ledger& ledger;
  policy::ProgramPtr program;
  TimePoint now;
};

ControlReply limits_command(const StatePlaces& places, const nlohmann::json& arguments);
ControlReply greylist_command(const StatePlaces& places, const nlohmann::json& arguments);
ControlReply list_command(const StatePlaces& places, const nlohmann::json& arguments);

}  // namespace sluice::app
