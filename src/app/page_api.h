// What the admin port serves of the page: its files, and below /api/ what the control socket answers to
// commands that only show.
#pragma once
#include "app/admin_server.h"
#include "app/control.h"

namespace sluice::app {

AdminPages page_with(const ControlCommands& known);

}  // namespace sluice::app
