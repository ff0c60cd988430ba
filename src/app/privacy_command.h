// privacy {find,erase} ADDRESS: what is kept of one person: decisions in the history, and what the
// store has counted, greylisted, listed or seen under the address, by its readable name and by the
// keys that an address alone makes. Logs are files of the host: they are not searched.
#pragma once
#include "app/history.h"
#include "app/state_commands.h"

namespace sluice::app {

struct PrivacyPlaces {
  History* history = nullptr;  // null: none is kept
  StatePlaces state;
};

ControlReply privacy_command(const PrivacyPlaces& places, const nlohmann::json& arguments);

}  // namespace sluice::app
