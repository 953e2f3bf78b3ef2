#include "loader/base/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <vector>

namespace ecf8 {
namespace {

TEST(WorkerPool, RunsEveryTaskBeforeItEnds) {
  std::atomic<int> runs{0};
  {
    WorkerPool pool(3, 1000);
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(pool.TrySubmit([&] { ++runs; }));
  }
  EXPECT_EQ(runs, 1000);
}

TEST(WorkerPool, RefusesBeyondItsCapacity) {
  WorkerPool pool(1, 2);
  std::promise<void> begun;
  std::promise<void> go_on;
  ASSERT_TRUE(pool.TrySubmit([&, wait = go_on.get_future().share()] {
    begun.set_value();
    wait.wait();
  }));
  begun.get_future().wait();  // from here on the queue is empty and the worker busy
  EXPECT_TRUE(pool.TrySubmit([] {}));
  EXPECT_TRUE(pool.TrySubmit([] {}));
  EXPECT_FALSE(pool.TrySubmit([] {}));
  go_on.set_value();
}

TEST(WorkerPool, BeginsTasksInOrder) {
  std::vector<int> order;
  {
    WorkerPool pool(1, 100);
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(pool.TrySubmit([&, i] { order.push_back(i); }));
  }
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(WorkerPool, HasOneThreadACoreByDefault) {
  WorkerPool pool(0, 1);
  EXPECT_GE(pool.thread_count(), 1u);
}

}  // namespace
}  // namespace ecf8
