/* The container driver: Podman or Docker through the Docker-compatible API on a unix socket. */
#ifndef LG_DRIVER_CONTAINER_H
#define LG_DRIVER_CONTAINER_H

#include "driver/driver.h"

extern const struct lg_driver lg_driver_container;

#endif
