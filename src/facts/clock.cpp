// time.now, time.local, time.weekday (LANGUAGE 9c): the moment of the event, in the time zone of
// the policy.
#include "facts/make_fact.h"
#include "facts/time_zone.h"

namespace sluice::facts {

using policy::Kind;
using policy::Value;

namespace {

const policy::EnumWords kWeekdays{"weekday", {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}};

policy::Type weekday_type() {
  policy::Type type = plain(Kind::Enum);
  type.words = &kWeekdays;
  return type;
}

Outcome time_local(FactContext& c) {
  return Value(policy::ClockTime{local_time(c.timezone(), c.now()).minute_of_day});
}

Outcome time_weekday(FactContext& c) {
  return Value(
      kWeekdays.words[static_cast<std::size_t>(local_time(c.timezone(), c.now()).weekday)]);
}

}  // namespace

std::vector<Fact> clock_facts() {
  return make_facts(
      mail::Stage::Connect, mail::Scope::Connection,
      {
          {"time.now", plain(Kind::Datetime), "The moment of this event.",
           [](FactContext& c) -> Outcome { return Value(c.now()); }},
          {"time.local", plain(Kind::Clock), "Time of day in the policy's time zone.", time_local},
          {"time.weekday", weekday_type(), "Day of the week in the policy's time zone.",
           time_weekday},
      });
}

}  // namespace sluice::facts
