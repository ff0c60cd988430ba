#include "engine/header_plan.h"

#include <algorithm>

#include "base/text.h"

namespace sluice::engine {

using mail::Edit;
using mail::Header;

namespace {

auto named(std::string_view name) {
  return [name](const auto& field) { return equal_folded(field.name, name); };
}

}  // namespace

HeaderPlan::Own* HeaderPlan::own(std::string_view name) {
  auto known = std::find_if(own_.begin(), own_.end(), named(name));
  if (known == own_.end()) {
    const auto& headers = message_.headers;
    const auto first = std::find_if(headers.begin(), headers.end(), named(name));
    if (first == headers.end()) return nullptr;
    known = own_.insert(own_.end(), {std::string(name), std::string(trim(first->value))});
  }
  return known->is_removed ? nullptr : &*known;
}

void HeaderPlan::add(std::string name, std::string value) {
  behind_.push_back({std::move(name), std::move(value)});
}

void HeaderPlan::insert(std::string name, std::string value) {
  before_.push_back({std::move(name), std::move(value)});
}

const std::string* HeaderPlan::first(std::string_view name) {
  const auto in_front = std::find_if(before_.rbegin(), before_.rend(), named(name));
  if (in_front != before_.rend()) return &in_front->value;
  if (const Own* of_message = own(name)) return &of_message->first;
  const auto after = std::find_if(behind_.begin(), behind_.end(), named(name));
  return after != behind_.end() ? &after->value : nullptr;
}

void HeaderPlan::set(const std::string& name, std::string value) {
  const auto in_front = std::find_if(before_.rbegin(), before_.rend(), named(name));
  if (in_front != before_.rend()) {
    in_front->value = std::move(value);
  } else if (Own* of_message = own(name)) {
    of_message->first = std::move(value);
    of_message->is_changed = true;
  } else if (const auto after = std::find_if(behind_.begin(), behind_.end(), named(name));
             after != behind_.end()) {
    after->value = std::move(value);
  } else {
    add(name, std::move(value));
  }
}

// A message that has more fields than are kept may have some of that name beyond: the MTA is asked
// for all of them, whatever we saw.
void HeaderPlan::remove(const std::string& name) {
  std::erase_if(before_, named(name));
  std::erase_if(behind_, named(name));
  if (Own* of_message = own(name)) {
    of_message->is_removed = true;
  } else if (std::none_of(own_.begin(), own_.end(), named(name))) {
    own_.push_back({name, {}, false, true});
  }
}

void HeaderPlan::append_to(std::vector<Edit>& edits) const {
  for (const Own& field : own_) {
    if (field.is_removed) {
      edits.push_back({Edit::Kind::RemoveHeader, field.name, {}, 0});
    } else if (field.is_changed) {
      edits.push_back({Edit::Kind::SetHeader, field.name, field.first, 1});
    }
  }
  for (const Header& field : before_)
    edits.push_back({Edit::Kind::InsertHeader, field.name, field.value, 0});
  for (const Header& field : behind_)
    edits.push_back({Edit::Kind::AddHeader, field.name, field.value, 0});
}

}  // namespace sluice::engine
