#include "load/histogram.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <vector>

using namespace sluice::load;
using std::chrono::nanoseconds;

TEST_CASE("histogram: quantiles are those of the sorted values, to three per cent") {
  std::mt19937_64 random(5);
  for (const double spread : {1.0, 3.0, 9.0}) {
    Histogram histogram;
    std::vector<double> values;
    std::uniform_real_distribution<double> exponent(3.0, 3.0 + spread);
    for (int i = 0; i < 20000; ++i) {
      const auto ns = static_cast<std::int64_t>(std::pow(10.0, exponent(random)));
      histogram.record(nanoseconds(ns));
      values.push_back(static_cast<double>(ns) / 1000.0);
    }
    std::sort(values.begin(), values.end());
    for (const double share : {0.01, 0.5, 0.9, 0.99, 0.999}) {
      const double exact = values[static_cast<std::size_t>(share * 20000.0)];
      CHECK(histogram.quantile_us(share) == Approx(exact).epsilon(0.035));
    }
    CHECK(histogram.max_us() == values.back());
    CHECK(histogram.count() == 20000);
  }
}

TEST_CASE("histogram: merging is recording everything in one") {
  Histogram one, two, both;
  for (int i = 1; i < 1000; ++i) {
    const nanoseconds duration(i * i * 37);
    (i % 2 == 0 ? one : two).record(duration);
    both.record(duration);
  }
  one.merge(two);
  for (const double share : {0.0, 0.25, 0.5, 0.99, 1.0})
    CHECK(one.quantile_us(share) == both.quantile_us(share));
  CHECK(one.count() == both.count());
}

TEST_CASE("histogram: the smallest and the largest durations have their place") {
  Histogram histogram;
  CHECK(histogram.quantile_us(0.5) == 0);
  histogram.record(nanoseconds(-5));
  histogram.record(nanoseconds(0));
  CHECK(histogram.quantile_us(0.5) == 0);
  histogram.record(std::chrono::hours(24 * 365));
  CHECK(histogram.max_us() == Approx(31536000.0e6));
  CHECK(histogram.quantile_us(1.0) == Approx(31536000.0e6));
}
