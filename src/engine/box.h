// Box<T>: an optional value that takes no room while it is not there. Most sessions of a busy host
// are idle and hold neither a message nor a login. What can be recycled (engine/recycled.h) is.
#pragma once
#include <memory>
#include <type_traits>
#include <utility>

#include "engine/recycled.h"

namespace sluice::engine {

template <class T>
concept Recyclable = requires(T& value) { value.recycle(); };

template <class T>
class Box {
 public:
  Box() = default;
  Box& operator=(T value) {
    value_.reset(new T(std::move(value)));
    return *this;
  }
  explicit operator bool() const { return value_ != nullptr; }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return value_.get(); }
  const T* operator->() const { return value_.get(); }
  const T* get() const { return value_.get(); }
  T& emplace() {
    value_.reset();
    if constexpr (Recyclable<T>) {
      value_ = make_recycled<T>();
    } else {
      value_.reset(new T());
    }
    return *value_;
  }
  void reset() { value_.reset(); }

 private:
  std::conditional_t<Recyclable<T>, Recycled<T>, std::unique_ptr<T>> value_;
};

}  // namespace sluice::engine
