// ECF8_HOST_DEVICE marks functions that CUDA kernels and the CPU share. Outside nvcc it is empty.
#ifndef ECF8_DECODER_HOST_DEVICE_H_
#define ECF8_DECODER_HOST_DEVICE_H_

#if defined(__CUDACC__)
#define ECF8_HOST_DEVICE __host__ __device__
#else
#define ECF8_HOST_DEVICE
#endif

#endif  // ECF8_DECODER_HOST_DEVICE_H_
