// The health check: a process in the container now and then, whose exit code says how it is.
#pragma once
#include "init/monitor_base.h"
#include "init/monitor_state.h"

namespace slipway::init {

// The container runs.
void begin_health() noexcept;
// It has ended, or is about to: no probe outlives that.
void end_health() noexcept;
// When something is to be done next, kNever for nothing.
int64_t next_health() noexcept;
// It is that time, or something of the probe's is ready.
void serve_health() noexcept;

// Carried out elsewhere: it has become unhealthy.
void act_on_unhealthy(HealthAction action) noexcept;

}  // namespace slipway::init
