"""Measuring the services: a load generator, and for comparison servers as a textbook on asyncio's streams has them."""
