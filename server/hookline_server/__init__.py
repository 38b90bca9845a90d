"""The gRPC server and the command line: contracts on the outside, `hookline.client.Client` on the inside."""
