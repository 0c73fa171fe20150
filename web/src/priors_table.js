// Made by scripts/priors.js from taichi_gs/format/prior_tables.py.

/**
 * A line for each of m, u, v, Y, Co, Cg and z: P_0 to P_63, in base 36. Nothing between commas stands for 1. A line
 * that ends with P_32 goes on with P_30, P_29, ... P_0.
 */
export const PRIORS_TABLE = `\
,,,,,,,,,,,,,,,,,,,,,,9,d,1n,3r,89,hl,x0,1iy,2ld,3rj,4t0,5nc,5vp,5ql,57m,43p,373,26l,1gz,ya,m4,dw,8y,6i,3j,2c,1b,m,a,9,6,5,,,,,,,,,,
,,,,,,,2,3,6,6,h,i,w,1y,2v,4d,5t,84,bb,ev,kb,t1,14l,1gj,1sn,262,2jj,2y4,37q,3iq,3p1,3pf
,,,,,,,,,,,,2,4,b,o,10,1g,28,3p,6f,ah,gh,p9,zl,1ct,1t6,2cu,2x2,3nx,4ji,5qk,5ra
,,,,,,,,,,,,,,,,8,u,2g,4r,cj,11t,1s2,29n,2bc,2hd,2le,2kx,2n7,2qd,2qp,2wg,2xc,2ql,2zw,2zb,2l2,22s,223,1u7,1hp,11j,r4,a1,2j,y,h,2,,,,,,,,,,,,,,,,
,,,,,,,,2,,7,5,e,k,10,1p,2i,5e,8x,a4,c8,eu,kp,pu,xz,12l,1h4,1zu,2kt,35s,4gk,6ol,6p1
,,,,,,,,,,,,,,,,,,,,,,4,g,1e,2x,9y,k4,vk,1yv,51l,ge3,gfb
,,,,,,,,,,,,4,2,e,h,1a,1s,2r,53,9e,ek,lq,10g,1rb,2pr,4ka,7lv,9mo,7zb,5g5,3cw,1z6,16q,n4,en,8k,4r,2b,31,1x,q,j,v,n,6,5,2,6,,,,,,,,,,,,,,,`;
