// sender.deliverable and rcpt.deliverable: what the address's own mail server says of it (callout).
#pragma once
#include "facts/fact.h"
#include "facts/path_facts.h"
#include "policy/type.h"

namespace sluice::facts {

policy::Type deliverable_type();
// Unknown for what cannot be asked: the null sender and a local part without domain (argument), an
// address of bad syntax (malformed); and where the server told nothing of the address (callout).
Outcome deliverable(FactContext& context, const ParsedPath& path);

}  // namespace sluice::facts
